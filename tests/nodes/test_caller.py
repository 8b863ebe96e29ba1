"""What the collector asks other nodes, from a thread of its own."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.action import ActionServer
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from wayfarer_collector.collaborators import Caller
from wayfarer_collector.waiting import Waiter
from wayfarer_core import names
from wayfarer_msgs.action import Train

LATE = 0.5  # s by which a busy machine holds the sender up


class HeldUp:
    """An action client's handle, whose thread has to wait once a request is on its way."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._handle, name)
        if name not in ("send_goal_request", "send_result_request"):
            return found

        def send(*words: Any) -> Any:
            sequence = found(*words)
            time.sleep(LATE)  # what is held up here is what is tested
            return sequence

        return send

    def __enter__(self) -> Any:
        return self._handle.__enter__()

    def __exit__(self, *about: Any) -> Any:
        return self._handle.__exit__(*about)


@contextmanager
def spinning(domain: int, name: str) -> Iterator[tuple[Node, threading.Event]]:
    """A node of its own context; it spins, in a thread, once the event is set."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node, go, end = Node(name, context=context), threading.Event(), threading.Event()
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        go.wait()
        while not end.is_set():
            executor.spin_once(timeout_sec=0.05)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield node, go
    finally:
        end.set()
        go.set()
        thread.join()
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_an_answer_that_comes_before_the_sender_has_gone_on_is_heard(domain: int) -> None:
    def execute(handle: Any) -> Train.Result:
        handle.succeed()
        return Train.Result(success=True, message="learned")

    with (
        spinning(domain, "server") as (server, serve),
        spinning(domain, "caller") as (node, listen),
    ):
        actions = ActionServer(server, Train, names.TRAIN, execute)
        caller = Caller(node, Waiter(), 20.0, {names.TRAIN: Train})
        client = caller._actions[names.TRAIN]
        client._client_handle = HeldUp(client._client_handle)
        serve.set()
        listen.set()
        assert caller.action(names.TRAIN, Train.Goal(steps=1), 20.0).message == "learned"
        actions.destroy()
