"""A framework on pymesos that reserves resources and keeps data on a volume.

python pymesos_volumes.py HOST:PORT

One ACCEPT reserves, makes a volume and writes to it; another one, of a later offer,
reads what was written; a third gives everything back. Exits 0 if all went well.
"""

import sys
import time

from pymesos import MesosSchedulerDriver, Scheduler

TIMEOUT_S = 40
ROLE = "keeper"
LABELS = {"labels": [{"key": "for", "value": "interop"}]}
RESERVATION = {"type": "DYNAMIC", "role": ROLE, "labels": LABELS}


def scalar(name, value, **more):
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


def reserved(name, value, **more):
    return scalar(name, value, reservations=[RESERVATION], **more)


VOLUME = reserved(
    "disk",
    64,
    disk={
        "persistence": {"id": "data"},
        "volume": {"container_path": "data", "mode": "RW"},
    },
)
KEPT = [reserved("cpus", 0.2), reserved("mem", 48), reserved("disk", 64)]


def is_reserved(resource):
    return bool(resource.get("reservations"))


def persistence(resource):
    return resource.get("disk", {}).get("persistence", {}).get("id")


class Keeper(Scheduler):
    def __init__(self):
        self.step = "write"
        self.ends = {}
        self.agent_id = None

    def task(self, offer, name, line, extra):
        return {
            "name": name,
            "task_id": {"value": name},
            "agent_id": offer["agent_id"],
            "command": {"value": line},
            "resources": [reserved("cpus", 0.2), reserved("mem", 48), *extra],
        }

    def resourceOffers(self, driver, offers):
        for offer in offers:
            if self.agent_id not in (None, offer["agent_id"]) or not self.act(
                driver, offer
            ):
                driver.declineOffer(offer["id"], {"refuse_seconds": 0.1})

    def act(self, driver, offer):
        """Whether the offer was used."""
        found = [resource for resource in offer["resources"] if is_reserved(resource)]
        volumes = [resource for resource in found if persistence(resource) == "data"]
        if self.step == "write":
            self.agent_id = offer["agent_id"]
            task = self.task(offer, "write", "echo kept > data/words", [VOLUME])
            operations = [
                {"type": "RESERVE", "reserve": {"resources": KEPT}},
                {"type": "CREATE", "create": {"volumes": [VOLUME]}},
                {"type": "LAUNCH", "launch": {"task_infos": [task]}},
            ]
        elif self.step == "read" and volumes:
            assert {r["name"] for r in found} == {"cpus", "mem", "disk"}, found
            (reservation,) = volumes[0]["reservations"]
            assert reservation["role"] == ROLE
            assert reservation["labels"] == LABELS
            task = self.task(offer, "read", "grep kept data/words", [VOLUME])
            operations = [{"type": "LAUNCH", "launch": {"task_infos": [task]}}]
        elif self.step == "free" and volumes:
            operations = [
                {"type": "DESTROY", "destroy": {"volumes": [VOLUME]}},
                {"type": "UNRESERVE", "unreserve": {"resources": KEPT}},
            ]
        elif self.step == "look":
            assert not found, found
            self.step = "done"
            return False
        else:
            return False
        print(self.step, flush=True)
        waits = {"write": "writing", "read": "reading", "free": "look"}
        self.step = waits[self.step]
        driver.acceptOffers(offer["id"], operations, {"refuse_seconds": 0.1})
        return True

    def statusUpdate(self, driver, status):
        name, state = status["task_id"]["value"], status["state"]
        print(name, state, status.get("reason", ""), status.get("message", ""))
        if state == "TASK_FINISHED":
            self.ends[name] = state
            self.step = {"write": "read", "read": "free"}[name]
        elif state not in ("TASK_STARTING", "TASK_RUNNING"):
            self.ends[name] = state
            self.step = "failed"


def main():
    keeper = Keeper()
    framework = {
        "user": "root",
        "name": "keeper",
        "roles": [ROLE],
        "capabilities": [
            {"type": "MULTI_ROLE"},
            {"type": "RESERVATION_REFINEMENT"},
        ],
    }
    driver = MesosSchedulerDriver(keeper, framework, sys.argv[1])
    driver.start()
    deadline = time.monotonic() + TIMEOUT_S
    while keeper.step not in ("done", "failed") and time.monotonic() < deadline:
        time.sleep(0.02)
    is_good = keeper.step == "done" and not driver.aborted
    driver.stop()
    driver.join()
    print("PASS" if is_good else "FAIL", keeper.step, keeper.ends)
    sys.exit(0 if is_good else 1)


main()
