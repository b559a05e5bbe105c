"""Variables that make programs run other code or trust any server: a config file must set none of them.

The list cannot be complete. A config file may name programs anyway (`credential_process`), so a gap adds little.
Names are compared without regard to case, as on Windows.

Not in the list, because companies' profiles need them and they run nothing: proxies, files of CA certificates
(AWS_CA_BUNDLE, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS), GIT_AUTHOR_… and GIT_COMMITTER_…, AWS_ENDPOINT_URL_SERVICE.
"""

import re

#: The documentation, and a pattern for whole names.
SOURCES: dict[str, str] = {
    "ld.so(8), also its list for secure execution; resolver(5), hostname(7)": (
        r"LD_.*|GLIBC_TUNABLES|GCONV_PATH|GETCONF_DIR|LOCPATH|NLSPATH|MALLOC_.*|HOSTALIASES|LOCALDOMAIN|RES_OPTIONS"
    ),
    "dyld(1)": r"DYLD_.*",
    "bash(1), zshparam(1), sh(1p), fish(1), readline(3)": (
        r"BASH.*|ENV|ZDOTDIR|PROMPT_COMMAND|PS[0-4]|SHELLOPTS|SHELL|IFS|FPATH|CDPATH|INPUTRC|FISH_.*|FCEDIT|HIST.*"
    ),
    "PowerShell, about_Environment_Variables; Windows, cmd": (
        r"PSModule.*|POWERSHELL_.*|PATHEXT|COMSPEC|SYSTEMROOT|WINDIR"
    ),
    "execvp(3), environ(7), XDG Base Directory Specification": (
        r"PATH|HOME|USERPROFILE|APPDATA|LOCALAPPDATA|XDG_(CONFIG|DATA|STATE|CACHE)_(HOME|DIRS)|XDG_RUNTIME_DIR"
    ),
    "environ(7), less(1), man(1), xdg-open(1), ssh(1), sudo(8): programs that are started": (
        r"(.*_)?(EDITOR|VISUAL|BROWSER|ASKPASS|RSH)|.*PAGER|LESS.*|MORE|MANOPT|RSYNC_.*|SVN_SSH|SSH_SK_.*"
    ),
    "git(1), git-config(1), gitattributes(5), hg(1)": r"GIT_(?!(AUTHOR|COMMITTER)_).*|HGRCPATH|HG|PRE_COMMIT_.*",
    "python(1), pip, uv, pytest, Jupyter": (
        r"PYTHON.*|PIP_.*|UV_.*|PIPX_.*|PYENV_.*|PYTEST_.*|IPYTHONDIR|JUPYTER_.*|VIRTUALENV_.*"
    ),
    "perlrun(1), ExtUtils::MakeMaker": r"PERL.*",
    "ruby(1), gem, bundle-config(1)": r"RUBY.*|GEM_.*|BUNDLE_.*|BUNDLER_.*|RAKEOPT",
    "node(1), npm-config(7), Yarn, Bun, Deno, Electron": (
        r"NODE_(OPTIONS|PATH|REPL_.*|TLS_REJECT_UNAUTHORIZED|V8_.*)|NPM_CONFIG_.*|YARN_.*|BUN_.*|DENO_.*|ELECTRON_.*"
    ),
    "java(1), Maven, Gradle, Ant, sbt": (
        r"_?(JAVA|JDK|JRE|MAVEN|M2|GRADLE|ANT|SBT|GROOVY|SCALA|KOTLIN|LEIN)_.*|_JAVA_OPTIONS|CLASSPATH|JAVAC?_?OPTS"
    ),
    ".NET environment variables, the profiling API": r"DOTNET_.*|COMPLUS_.*|CORECLR_.*|COR_.*|MSBUILD.*|NUGET_.*",
    "lua(1), php(1), Startup(R), julia(1), erl(1), tclsh(1), guile(1)": (
        r"LUA_.*|PHPRC|PHP_.*|COMPOSER_.*|R_[A-Z]+(_.*)?|JULIA_.*|ERL_.*|ELIXIR_.*|MIX_(?!ENV$).*|TCL.*|GUILE_.*"
    ),
    "go help environment; rustc, cargo": (
        r"GO(FLAGS|ROOT|PATH|ENV|TOOLCHAIN|TOOLDIR|PROXY|SUMDB|NOSUMDB|INSECURE|BIN|AUTH)|RUST(C|DOC|FLAGS|UP_).*|CARGO.*"
    ),
    "make(1), gcc(1)": (
        r"MAKEFLAGS|MAKEFILES|MFLAGS|GNUMAKEFLAGS|CC|CXX|CPP|LD|AR|AS|(C|CXX|CPP|LD)FLAGS|COMPILER_PATH|GCC_EXEC_PREFIX|"
        r"CMAKE_.*|PKG_CONFIG.*"
    ),
    "openssl-env(7); NSS key log format": r"OPENSSL_.*|SSLKEYLOGFILE",
    "GLib, GTK, Qt, GStreamer, Kerberos, SASL, ODBC: modules that are loaded": (
        r"GIO_.*|GTK_.*|GDK_.*|GST_.*|QT_.*|QML.*|KRB5_.*|SASL_.*|ODBC.*|P11_.*"
    ),
    "vim(1), emacs(1), screen(1), tmux(1), gdb(1)": (
        r"VIM.*|EXINIT|GVIMINIT|MYVIMRC|NVIM_.*|EMACS.*|SCREENRC|SYSSCREENRC|TMUX.*|GDB.*"
    ),
    "tar(1), curl(1), wget(1), rg(1), fzf(1), bat(1), gpg(1), psql(1): options and settings that name programs": (
        r"TAR_OPTIONS|CURL_HOME|WGETRC|RIPGREP_CONFIG_PATH|FZF_.*|BAT_.*|GNUPGHOME|PSQLRC|PGSYSCONFDIR|PGSERVICEFILE"
    ),
    "AWS CLI and SDKs, kubectl, Helm, Docker, Terraform, Ansible: settings that name programs and plugins": (
        r"AWS_(CONFIG_FILE|SHARED_CREDENTIALS_FILE|DATA_PATH)|KUBECONFIG|HELM_.*|DOCKER_(CONFIG|CERT_PATH|TLS_VERIFY)|"
        r"TF_(CLI_.*|PLUGIN_.*|REATTACH_PROVIDERS)|(TERRAGRUNT|TG)_.*|ANSIBLE_.*"
    ),
    "checks of certificates switched off: git-config(1), the requests library": r"GIT_SSL_NO_VERIFY|CURL_INSECURE",
}

_ANY = re.compile("|".join(f"(?:{names})" for names in SOURCES.values()), re.IGNORECASE | re.ASCII)


def runs_code(name: str) -> bool:
    """Whether a variable of this name makes programs run other code or trust any server."""
    return _ANY.fullmatch(name) is not None
