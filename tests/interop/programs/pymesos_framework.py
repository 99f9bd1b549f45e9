"""A framework on pymesos: command tasks, and tasks of an executor of its own.

python pymesos_framework.py HOST:PORT [failover]

With ``failover`` it starts one task of either kind and says READY; once it was
registered again it must still be able to end both, and to start another. Exits 0 if
all went as expected.
"""

import json
import os
import sys
import threading
import time

from pymesos import MesosSchedulerDriver, Scheduler, decode_data, encode_data

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT_S = 50
ALIVE = ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING")
EXECUTOR_ID = {"value": "worker"}


def resources(cpus, mem):
    return [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": mem}},
    ]


def command(line):
    return {"command": {"value": line}}


def work(**order):
    program = f"{sys.executable} -u {HERE}/pymesos_executor.py"
    executor = {
        "executor_id": EXECUTOR_ID,
        "name": "worker",
        "resources": resources(0.1, 32),
        "command": {"value": program},
    }
    return {"executor": executor, "data": encode_data(json.dumps(order).encode())}


class Tour(Scheduler):
    def __init__(self):
        self.lock = threading.Lock()
        self.waiting = {}
        self.states = {}
        self.history = []
        self.ends = {}
        self.answers = []
        self.reconciled = {}
        self.agent_id = None
        self.offers = self.heartbeats = self.registrations = 0

    def launch(self, **tasks):
        with self.lock:
            self.waiting.update(tasks)

    # --- What the driver calls --------------------------------------------------------

    def registered(self, driver, framework_id, master_info):
        self.registrations += 1
        print("REGISTERED", framework_id["value"], master_info["hostname"])

    def reregistered(self, driver, master_info):
        self.registrations += 1
        print("REREGISTERED", master_info["port"])

    def processHeartBeat(self, driver):
        self.heartbeats += 1

    def error(self, driver, message):
        print("ERROR", message)

    def resourceOffers(self, driver, offers):
        self.offers += len(offers)
        for offer in offers:
            names = {resource["name"] for resource in offer["resources"]}
            assert names == {"cpus", "mem", "disk", "ports"}, offer
            # Tasks of one executor share it only on one agent.
            is_other = self.agent_id not in (None, offer["agent_id"])
            with self.lock:
                tasks, self.waiting = (
                    ({}, self.waiting)
                    if is_other
                    else (
                        self.waiting,
                        {},
                    )
                )
            if not tasks:
                driver.declineOffer(offer["id"], {"refuse_seconds": 0.2})
                continue
            self.agent_id = offer["agent_id"]
            infos = [
                {
                    **task,
                    "task_id": {"value": name},
                    "name": name,
                    "agent_id": offer["agent_id"],
                    "resources": resources(0.1, 32),
                }
                for name, task in tasks.items()
            ]
            driver.launchTasks(offer["id"], infos, {"refuse_seconds": 0.2})

    def statusUpdate(self, driver, status):
        name, state = status["task_id"]["value"], status["state"]
        print(name, state, status.get("reason", ""), status.get("message", ""))
        if status.get("reason") == "REASON_RECONCILIATION":
            assert "uuid" not in status
            self.reconciled[name] = state
            return
        assert status["agent_id"] == self.agent_id
        assert status["timestamp"] > 0
        if state == "TASK_ERROR":
            sys.stdout.flush()
            os._exit(1)
        self.states[name] = state
        self.history.append((name, state))
        if state not in ALIVE:
            self.ends[name] = status

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        assert (executor_id, agent_id) == (EXECUTOR_ID, self.agent_id)
        self.answers.append(json.loads(decode_data(message)))


def until(condition, what, again=lambda: None):
    """Wait for it; ``again`` is called every half second."""
    deadline = time.monotonic() + TIMEOUT_S
    next_time = 0.0
    while not condition():
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"it never came: {what}")
        if now >= next_time:
            again()
            next_time = now + 0.5
        time.sleep(0.02)


def all_running(tour, *names):
    return lambda: all(tour.states.get(name) == "TASK_RUNNING" for name in names)


def say(driver, tour):
    """A message for the executor. It may get lost, so ask until it is answered."""

    def again():
        driver.sendFrameworkMessage(EXECUTOR_ID, tour.agent_id, encode_data(b"hello"))

    known = len(tour.answers)
    until(lambda: len(tour.answers) > known, "an answer of the executor", again)
    assert tour.answers[-1]["heard"] == "hello"
    print("EXECUTOR", tour.answers[-1]["pid"], flush=True)


def run(driver, tour):
    tour.launch(
        ok=command("echo ok"),
        bad=command("exit 3"),
        long=command("sleep 100"),
        quick=work(shell="echo $((6 * 7))"),
        wrong=work(shell="echo wrong; exit 4"),
        stopped=work(wait=True),
    )
    until(all_running(tour, "long", "stopped"), "the two that stay")
    driver.killTask({"value": "long"})
    driver.killTask({"value": "stopped"})
    until(lambda: len(tour.ends) == 6, "the ends of all tasks")
    tour.launch(talk=work(wait=True))
    until(all_running(tour, "talk"), "a second task of the executor")
    say(driver, tour)
    until(lambda: "talk" in tour.ends, "the end of what waited for a message")
    assert {name: end["state"] for name, end in tour.ends.items()} == {
        "ok": "TASK_FINISHED",
        "bad": "TASK_FAILED",
        "long": "TASK_KILLED",
        "quick": "TASK_FINISHED",
        "wrong": "TASK_FAILED",
        "stopped": "TASK_KILLED",
        "talk": "TASK_FINISHED",
    }
    assert decode_data(tour.ends["quick"]["data"]) == b"42\n"
    assert tour.ends["quick"]["executor_id"] == EXECUTOR_ID
    assert tour.ends["quick"]["source"] == "SOURCE_EXECUTOR"
    label = {"key": "exit", "value": "4"}
    assert tour.ends["wrong"]["labels"] == {"labels": [label]}
    assert tour.history.count(("quick", "TASK_FINISHED")) == 1

    driver.reconcileTasks([{"task_id": {"value": "never-was"}}])
    until(lambda: "never-was" in tour.reconciled, "the state of an unknown task")
    assert tour.reconciled == {"never-was": "TASK_LOST"}
    driver.suppressOffers()
    driver.requestResources([])
    time.sleep(0.3)
    offers = tour.offers
    driver.reviveOffers()
    until(lambda: tour.offers > offers, "offers after they were revived")
    assert tour.heartbeats > 0
    assert tour.registrations == 1


def fail_over(driver, tour):
    tour.launch(long=command("sleep 100"), talk=work(wait=True))
    until(all_running(tour, "long", "talk"), "both tasks")
    time.sleep(0.3)  # both updates are acknowledged
    print("READY", flush=True)
    until(lambda: tour.registrations == 2, "another leader")
    assert not tour.ends, tour.ends
    say(driver, tour)
    driver.killTask({"value": "long"})
    until(lambda: len(tour.ends) == 2, "the ends of both tasks")
    tour.launch(after=work(shell="echo after"))
    until(lambda: "after" in tour.ends, "a task started after the failover")
    states = {name: end["state"] for name, end in tour.ends.items()}
    assert states == {
        "long": "TASK_KILLED",
        "talk": "TASK_FINISHED",
        "after": "TASK_FINISHED",
    }


def main():
    tour = Tour()
    framework = {"user": "root", "name": "pymesos", "failover_timeout": 60}
    driver = MesosSchedulerDriver(tour, framework, sys.argv[1])
    driver.start()
    until(lambda: tour.registrations, "registration")
    (fail_over if "failover" in sys.argv else run)(driver, tour)
    assert not driver.aborted
    driver.stop()
    driver.join()
    print("PASS")


main()
