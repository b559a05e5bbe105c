"""`python -m shellvault`: the fast lane first, the full command line on a miss."""

from shellvault.fastlane import main

if __name__ == "__main__":
    main()
