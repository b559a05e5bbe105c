import sys,types
try:
    import shellvault.cli.agent
except ImportError:
    import click
    m=types.ModuleType('shellvault.cli.agent'); m.command=click.Group('agent',help='x'); sys.modules['shellvault.cli.agent']=m
