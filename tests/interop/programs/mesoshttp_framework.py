"""A framework on mesoshttp: one task after the other until enough have finished.

python mesoshttp_framework.py URL[,URL...] [failover]

With ``failover`` it waits until it was reconnected, and for one more task after
that; it says READY when the leader may be killed. Exits 0 if all went as expected.
"""

import logging
import sys
import threading
import time
import uuid

from mesoshttp.client import MesosClient

logging.basicConfig(level=logging.INFO)
# The client's own pause before it connects again is 10 s.
MesosClient.WAIT_TIME = 0.5
TIMEOUT_S = 50


def scalar(name, value):
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


class Framework:
    def __init__(self, urls, *, is_failing_over):
        self.is_failing_over = is_failing_over
        self.driver = None
        self.launched = set()
        self.states = {}
        self.reconnections = 0
        self.finished_before = None
        self.heartbeats = 0
        self.client = MesosClient(
            mesos_urls=urls, frameworkName="mesoshttp", max_reconnect=20
        )
        self.client.set_failover_timeout(60)
        for name, handler in {
            MesosClient.SUBSCRIBED: self.on_subscribed,
            MesosClient.OFFERS: self.on_offers,
            MesosClient.UPDATE: self.on_update,
            MesosClient.RECONNECTED: self.on_reconnected,
            MesosClient.HEARTBEAT: self.on_heartbeat,
        }.items():
            self.client.on(name, handler)

    def on_subscribed(self, driver):
        self.driver = driver
        print("SUBSCRIBED", self.client.frameworkId, self.client.mesos_url)

    def on_heartbeat(self, _event):
        self.heartbeats += 1

    def on_reconnected(self, _message):
        self.reconnections += 1
        self.finished_before = self.finished
        print("RECONNECTED")

    @property
    def finished(self):
        return sum(state == "TASK_FINISHED" for state in self.states.values())

    @property
    def is_waiting(self):
        return any(task not in self.states for task in self.launched)

    @property
    def is_done(self):
        if not self.is_failing_over:
            return self.finished >= 2 and self.heartbeats > 0
        return self.reconnections > 0 and self.finished > self.finished_before

    def on_offers(self, offers):
        for offer in offers:
            if self.is_waiting or self.is_done:
                offer.decline({"filters": {"refuse_seconds": 0.1}})
                continue
            task_id = uuid.uuid4().hex
            self.launched.add(task_id)
            task = {
                "name": "hello",
                "task_id": {"value": task_id},
                "agent_id": {"value": offer.get_offer()["agent_id"]["value"]},
                "command": {"value": "echo hello", "shell": True},
                "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            }
            offer.accept([task], {"filters": {"refuse_seconds": 0.1}})

    def on_update(self, update):
        status = update["status"]
        print(status["state"], status.get("message", ""))
        if status["state"] not in ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING"):
            self.states[status["task_id"]["value"]] = status["state"]
            if status["state"] == "TASK_FINISHED":
                print("READY")


def main():
    urls = sys.argv[1].split(",")
    framework = Framework(urls, is_failing_over="failover" in sys.argv)
    threading.Thread(target=framework.client.register, daemon=True).start()
    deadline = time.monotonic() + TIMEOUT_S
    while not framework.is_done and time.monotonic() < deadline:
        time.sleep(0.02)
    is_good = framework.is_done and set(framework.states.values()) == {"TASK_FINISHED"}
    if framework.driver is not None:
        framework.driver.tearDown()
    print("PASS" if is_good else "FAIL", framework.states, framework.reconnections)
    sys.exit(0 if is_good else 1)


main()
