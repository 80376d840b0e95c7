"""A client for MikroTik devices that is not ours: librouteros, in a process of its own.

``PYTHONPATH=FOLDER python routeros_second_client.py PORT PASSWORD [ENCODING]``: each line on its input is a call in
JSON, ``{"do": "add", "path": ..., ...}``; each line of its output is what came of it: ``{"rows": [...]}``,
``{"id": ...}`` or ``{"error": [KIND, WORDS]}``. It reads and writes with that library alone.
"""

import json
import sys
from typing import Any

import librouteros
from librouteros.query import Key


def main() -> None:
    """Log in, and do what each line says."""
    port, password, *encoding = sys.argv[1:]
    api: Any = None
    for line in sys.stdin:
        call = json.loads(line)
        try:
            if call["do"] == "connect":
                api = librouteros.connect(
                    "127.0.0.1", call.get("user", "billing"), call.get("password", password), port=int(port),
                    timeout=2, encoding=encoding[0] if encoding else "utf-8",
                )  # fmt: skip
                answer: dict[str, Any] = {}
            else:
                answer = do(api, call)
        except (OSError, librouteros.exceptions.LibRouterosError) as error:
            answer = {"error": [type(error).__name__, str(error)]}
        print(json.dumps(answer), flush=True)


def do(api: Any, call: dict[str, Any]) -> dict[str, Any]:
    """Do one call."""
    path = api.path(call["path"])
    if call["do"] == "add":
        return {"id": path.add(**call["fields"])}
    if call["do"] == "set":
        path.update(**{".id": call["id"]}, **call["fields"])
        return {}
    if call["do"] == "remove":
        path.remove(*call["ids"])
        return {}
    if call["do"] == "where":
        keys = [Key(name) for name in call["keys"]]
        name, values = call["one_of"]
        return {"rows": list(path.select(*keys).where(Key(name).In(*values)))}
    return {"rows": list(path)}


if __name__ == "__main__":
    main()
