"""The warm path. Nothing may be imported here but what a bare interpreter has loaded, and a socket."""
