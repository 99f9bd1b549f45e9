"""An operator on pymesos: looks at a cluster, changes it, and hears of it.

python pymesos_operator.py HOST:PORT AGENT_HOST:PORT

Exits 0 if all went as expected; leaves the cluster as it was.
"""

import sys
import threading
import time

from pymesos import (
    MesosOperatorAgentDriver,
    MesosOperatorMasterDriver,
    MesosSchedulerDriver,
    OperatorMaster,
    Scheduler,
)

TIMEOUT_S = 20
SLEEP = "sleep 100"


def scalar(name, value):
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


class Listener(OperatorMaster):
    """Notes what happens, by kind."""

    def __init__(self):
        self.heard = []

    def taskAdded(self, event):
        self.heard.append(("task added", event["name"]))

    def taskUpdated(self, event):
        self.heard.append(("task updated", event["state"]))

    def frameworkAdded(self, event):
        self.heard.append(("framework added", event["framework_info"]["name"]))

    def frameworkUpdated(self, event):
        self.heard.append(("framework updated", event["framework_info"]["name"]))

    def frameworkRemoved(self, event):
        self.heard.append(("framework removed", event["name"]))

    def agentAdded(self, event):
        self.heard.append(("agent added", event["agent_info"]["hostname"]))

    def agentRemoved(self, event):
        self.heard.append(("agent removed", event))


class OneTask(Scheduler):
    """Something to look at: one task that stays."""

    def __init__(self, agent_port):
        self.agent_port = agent_port
        self.status = None
        self.is_launched = False

    def resourceOffers(self, driver, offers):
        for offer in offers:
            port = offer["url"]["address"]["port"]
            if self.is_launched or port != self.agent_port:
                driver.declineOffer(offer["id"], {"refuse_seconds": 1})
                continue
            self.is_launched = True
            task = {
                "name": "looked-at",
                "task_id": {"value": "looked-at"},
                "agent_id": offer["agent_id"],
                "command": {"value": SLEEP},
                "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            }
            driver.launchTasks(offer["id"], [task])

    def statusUpdate(self, driver, status):
        self.status = status


def until(condition, what):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"it never came: {what}"
        time.sleep(0.02)


def look_at_leader(master, framework_id):
    assert master.getHealth()["get_health"]["healthy"] is True
    version = master.getVersion()["get_version"]["version_info"]["version"]
    assert [int(part) for part in version.split(".")]
    flags = master.getFlags()["get_flags"]["flags"]
    assert all(set(flag) <= {"name", "value"} for flag in flags)
    metrics = master.getMetrics(10**9)["get_metrics"]["metrics"]
    by_name = {metric["name"]: metric["value"] for metric in metrics}
    assert by_name["master/elected"] == 1
    assert by_name["master/tasks_running"] >= 1
    (task,) = [
        task
        for task in master.getTasks()["get_tasks"]["tasks"]
        if task["framework_id"]["value"] == framework_id
    ]
    assert task["state"] == "TASK_RUNNING"
    names = [
        framework["framework_info"]["name"]
        for framework in master.getFrameworks()["get_frameworks"]["frameworks"]
    ]
    assert "looked-at" in names
    agents = master.getAgents()["get_agents"]["agents"]
    assert all(agent["active"] for agent in agents)
    state = master.getState()["get_state"]
    assert {"get_tasks", "get_executors", "get_frameworks", "get_agents"} <= set(state)
    info = master.getMaster()["get_master"]["master_info"]
    assert {"id", "ip", "port"} <= set(info)
    roles = master.getRoles()["get_roles"]["roles"]
    assert "*" in [role["name"] for role in roles]
    return agents


def change_leader(master):
    master.updateWeights([{"role": "interop", "weight": 2.5}])
    weights = master.getWeights()["get_weights"]["weight_infos"]
    assert {"role": "interop", "weight": 2.5} in weights
    master.setQuota(
        {"role": "interop", "force": True, "guarantee": [scalar("cpus", 1)]}
    )
    quotas = master.getQuota()["get_quota"]["status"]
    assert "interop" in [info["role"] for info in quotas["infos"]]
    master.removeQuota("interop")
    quotas = master.getQuota()["get_quota"]["status"]
    assert "interop" not in [info["role"] for info in quotas.get("infos", [])]

    machine = {"hostname": "no-such-machine.example", "ip": "192.0.2.1"}
    start = {"nanoseconds": int((time.time() + 3600) * 1e9)}
    window = {"machine_ids": [machine], "unavailability": {"start": start}}
    master.updateMaintenanceSchedule([window])
    schedule = master.getMaintenanceSchedule()["get_maintenance_schedule"]["schedule"]
    assert schedule["windows"][0]["machine_ids"] == [machine]
    status = master.getMaintenanceStatus()["get_maintenance_status"]["status"]
    draining = [one["id"] for one in status["draining_machines"]]
    assert draining == [machine]
    master.startMaintenance([machine])
    status = master.getMaintenanceStatus()["get_maintenance_status"]["status"]
    assert status["down_machines"] == [machine]
    master.stopMaintenance([machine])
    schedule = master.getMaintenanceSchedule()["get_maintenance_schedule"]["schedule"]
    assert not schedule.get("windows")


def reserve(master, agent_id):
    """The leader takes it; what came of it shows in the agent's resources."""
    reservation = {"type": "DYNAMIC", "role": "interop"}
    resource = {**scalar("cpus", 0.5), "reservations": [reservation]}

    def reserved():
        agents = master.getAgents()["get_agents"]["agents"]
        (agent,) = [a for a in agents if a["agent_info"]["id"]["value"] == agent_id]
        return [r for r in agent["total_resources"] if r.get("reservations")]

    master.reserveResources(agent_id, [resource])
    until(lambda: len(reserved()) == 1, "the reservation")
    master.unreserveResources(agent_id, [resource])
    until(lambda: not reserved(), "the end of the reservation")


def look_at_agent(agent, framework_id):
    assert agent.getHealth()["get_health"]["healthy"] is True
    (task,) = [
        task
        for task in agent.getTasks()["get_tasks"]["launched_tasks"]
        if task["framework_id"]["value"] == framework_id
    ]
    assert task["state"] == "TASK_RUNNING"
    containers = agent.getContainers()["get_containers"]["containers"]
    (container,) = [
        container
        for container in containers
        if container["framework_id"]["value"] == framework_id
    ]
    parent = container["container_id"]
    nested = {"value": "inside", "parent": parent}
    agent.launchNestedContainer(
        {"container_id": nested, "command": {"value": "sleep 100"}}
    )
    waited = []

    def wait():
        other = MesosOperatorAgentDriver(sys.argv[2])
        other.waitNestedContainer("inside", parent["value"])
        waited.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    assert not waited
    agent.killNestedContainer("inside", parent["value"])
    thread.join(TIMEOUT_S)
    assert waited
    agent.removeNestedContainer("inside", parent["value"])


def main():
    listener = Listener()
    master = MesosOperatorMasterDriver(sys.argv[1], listener)
    agent = MesosOperatorAgentDriver(sys.argv[2])
    master.start()
    until(lambda: master.connected, "the stream of events")
    one_task = OneTask(int(sys.argv[2].rpartition(":")[2]))
    info = {"user": "root", "name": "looked-at"}
    scheduler = MesosSchedulerDriver(one_task, info, sys.argv[1])
    scheduler.start()
    until(
        lambda: one_task.status and one_task.status["state"] == "TASK_RUNNING",
        "the task",
    )
    agents = look_at_leader(master, scheduler.framework_id)
    assert one_task.status["agent_id"] in [a["agent_info"]["id"] for a in agents]
    change_leader(master)
    reserve(master, one_task.status["agent_id"]["value"])
    look_at_agent(agent, scheduler.framework_id)
    scheduler.stop()
    scheduler.join()
    expected = [
        ("framework added", "looked-at"),
        ("task added", "looked-at"),
        ("task updated", "TASK_RUNNING"),
        ("framework removed", "looked-at"),
    ]
    until(lambda: set(expected) <= set(listener.heard), "events")
    order = [event for event in listener.heard if event in expected]
    assert sorted(set(order), key=order.index) == expected, listener.heard
    print("PASS")
    master.stop()
    master.join()


main()
