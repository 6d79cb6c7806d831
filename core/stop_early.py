"""What `eucentric stop` does before anything else is imported: every host is told at once.

A cold start spends most of its time on imports, and on a loaded machine several times as long. So a plain `stop`
or `blank` is sent with what the interpreter has loaded anyway; the answers are not awaited here. The command
itself follows, tells every host again (which changes nothing), verifies and reports.
"""

import _socket  # the module around it imports for 2 ms
import os
import sys

_VERBS = ("stop", "blank")
_LONGEST_INFO = 65536
_open: list["_socket.socket"] = []
"""Kept open until the process ends: a host may answer into them."""


def stop_at_once(args: list[str]) -> int:
    """Tell the hosts that a plain `stop` or `blank` means; returns how many were told. Never raises.

    Parameters
    ----------
    args
        Of the command line. Whatever is not exactly VERB [--instrument URI] [--json] is left to the command.
    """
    wanted = _understood(args)
    if wanted is None:
        return 0
    verb, uri = wanted
    line = f'{{"op": "{verb}", "reason": "{verb} by {_plain(who())}"}}\n'.encode()
    told = 0
    for path in _stop_sockets(uri):
        try:
            told += _tell(path, line)
        except OSError:
            continue
    return told


def who() -> str:
    """User, terminal and process, for the reason that a hold carries."""
    try:
        place = os.ttyname(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):
        place = "no terminal"
    return f"{_user()} ({place}, pid {os.getpid()})"


def state_folder() -> str:
    """This user's state: `$EUCENTRIC_STATE`, else under `$XDG_STATE_HOME`, else ~/.local/state."""
    own = os.environ.get("EUCENTRIC_STATE")
    if own:
        return os.path.abspath(os.path.expanduser(own))
    base = os.environ.get("XDG_STATE_HOME")
    if not (base and os.path.isabs(base)):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "eucentric")


def _understood(args: list[str]) -> tuple[str, str | None] | None:
    rest = [arg for arg in args[1:] if arg != "--json"]
    if not args or args[0] not in _VERBS:
        return None
    if not rest:
        return args[0], None
    if len(rest) == 2 and rest[0] == "--instrument":
        return args[0], rest[1]
    return None


def _user() -> str:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if user := os.environ.get(name):
            return user
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, OSError):
        return f"uid {os.getuid()}"


def _stop_sockets(uri: str | None) -> list[str]:
    """From the info files that hosts wrote; one in another shape is left to the command that follows."""
    folder = os.path.join(state_folder(), "hosts")
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".json")]
    except OSError:
        return []
    texts = [_read(os.path.join(folder, name)) for name in names]
    found = [_field(text, "stop_socket") for text in texts if uri is None or _field(text, "uri") == uri]
    return [path for path in found if path]


def _read(path: str) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(handle, _LONGEST_INFO).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(handle)


def _field(text: str, name: str) -> str:
    """A text field of a JSON object, read without a parser; nothing if it holds an escape."""
    _, found, rest = text.partition(f'"{name}": "')
    value, end, _ = rest.partition('"')
    return value if found and end and "\\" not in value else ""


def _tell(path: str, line: bytes) -> bool:
    """Without waiting: a hung host must not delay the others."""
    host = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    _open.append(host)
    host.setblocking(False)
    host.connect(path)
    return host.send(line) == len(line)


def _plain(text: str) -> str:
    """Nothing that JSON would have to escape."""
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "?" for char in text)
