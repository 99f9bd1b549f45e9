"""An executor on pymesos. What a task is to do stands in its data, as JSON:

* ``{"shell": LINE}`` runs a line, and returns its output with the last update;
* ``{"wait": true}`` goes on until the scheduler sends a message or kills it.
"""

import json
import os
import subprocess
import threading

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Work(Executor):
    def __init__(self):
        self.waiting = []
        self.registrations = 0

    def registered(self, driver, executor_info, framework_info, agent_info):
        self.registrations += 1
        assert executor_info["executor_id"]["value"] == os.environ["MESOS_EXECUTOR_ID"]
        assert framework_info["name"] == "pymesos"
        assert agent_info["id"]["value"] == os.environ["MESOS_SLAVE_ID"]

    def reregistered(self, driver, agent_info):
        self.registrations += 1

    def tell(self, driver, task_id, state, **more):
        update = {"task_id": task_id, "state": state, **more}
        driver.sendStatusUpdate(update)

    def launchTask(self, driver, task):
        self.tell(driver, task["task_id"], "TASK_RUNNING")
        order = json.loads(decode_data(task["data"]))
        if "wait" in order:
            self.waiting.append(task["task_id"])
        else:
            threading.Thread(target=self.run, args=(driver, task, order)).start()

    def run(self, driver, task, order):
        done = subprocess.run(order["shell"], shell=True, stdout=subprocess.PIPE)
        label = {"key": "exit", "value": str(done.returncode)}
        self.tell(
            driver,
            task["task_id"],
            "TASK_FINISHED" if done.returncode == 0 else "TASK_FAILED",
            data=encode_data(done.stdout),
            labels={"labels": [label]},
            message="as told",
        )

    def frameworkMessage(self, driver, message):
        words = {"pid": os.getpid(), "heard": decode_data(message).decode()}
        driver.sendFrameworkMessage(encode_data(json.dumps(words).encode()))
        while self.waiting:
            self.tell(driver, self.waiting.pop(), "TASK_FINISHED")

    def killTask(self, driver, task_id):
        if task_id in self.waiting:
            self.waiting.remove(task_id)
            self.tell(driver, task_id, "TASK_KILLED", message="as told")

    def shutdown(self, driver):
        for task_id in self.waiting:
            self.tell(driver, task_id, "TASK_KILLED", message="shutting down")


MesosExecutorDriver(Work()).run()
