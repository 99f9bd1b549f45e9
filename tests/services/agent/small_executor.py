"""An executor on nothing but the standard library: runs ``data`` as a shell line.

Started as ``python small_executor.py [stubborn]``: a stubborn one does not end on
SHUTDOWN.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
import threading
import uuid
from typing import Any

FRAMEWORK = {"value": os.environ["MESOS_FRAMEWORK_ID"]}
EXECUTOR = {"value": os.environ["MESOS_EXECUTOR_ID"]}
ENDPOINT = os.environ["MESOS_AGENT_ENDPOINT"]
HOW = sys.argv[1] if len(sys.argv) > 1 else ""
PROCESSES: dict[str, subprocess.Popen[bytes]] = {}


def call(kind: str, **body: Any) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(ENDPOINT, timeout=30)
    message = {
        "type": kind,
        "framework_id": FRAMEWORK,
        "executor_id": EXECUTOR,
        **body,
    }
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    connection.request("POST", "/api/v1/executor", json.dumps(message), headers)
    return connection.getresponse()


def update(task_id: dict[str, str], state: str, **more: Any) -> None:
    status = {
        "task_id": task_id,
        "state": state,
        "source": "SOURCE_EXECUTOR",
        "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
        **more,
    }
    answer = call("UPDATE", update={"status": status})
    if answer.status != 202:
        sys.exit(f"{answer.status}: {answer.read()!r}")


def run(task: dict[str, Any]) -> None:
    task_id = task["task_id"]
    line = base64.b64decode(task["data"]).decode()
    process = subprocess.Popen(line, shell=True, stdout=subprocess.PIPE)
    PROCESSES[task_id["value"]] = process
    update(task_id, "TASK_RUNNING")
    out, _ = process.communicate()
    call("MESSAGE", message={"data": base64.b64encode(out).decode()})
    state = "TASK_KILLED" if process.returncode < 0 else "TASK_FINISHED"
    update(task_id, state, message=f"rc={process.returncode}")


def events(answer: http.client.HTTPResponse) -> Any:
    while head := answer.readline():
        yield json.loads(answer.read(int(head)))


def main() -> None:
    body = {"unacknowledged_tasks": [], "unacknowledged_updates": []}
    for event in events(call("SUBSCRIBE", subscribe=body)):
        print(json.dumps(event), flush=True)
        if event["type"] == "LAUNCH":
            task = event["launch"]["task"]
            threading.Thread(target=run, args=(task,), daemon=True).start()
        elif event["type"] == "LAUNCH_GROUP":
            for task in event["launch_group"]["task_group"]["tasks"]:
                threading.Thread(target=run, args=(task,), daemon=True).start()
        elif event["type"] == "KILL":
            PROCESSES[event["kill"]["task_id"]["value"]].kill()
        elif event["type"] == "SHUTDOWN" and HOW != "stubborn":
            sys.exit(3)


main()
