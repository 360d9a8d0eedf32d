"""Engines in every kind of interpreter: scripts, ``-c``, standard input, notebooks, and how these end."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from processes import scaled


def run(*arguments: str, stdin: str | None = None, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], input=stdin, capture_output=True, text=True, timeout=60,
        cwd=folder, check=False, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip


SESSION = """
from shoal import Engine

class Box:
    def __init__(self, value):
        self.value = value

def twice(box):
    assert isinstance(box, Box)
    return Box(box.value * 2)

with Engine(2) as engine:
    boxes = list(engine.map(twice, [Box(1), Box(2)]))
    assert all(isinstance(box, Box) for box in boxes)
    print([box.value for box in boxes], engine.submit(lambda: 7).result())
"""


@pytest.mark.parametrize("how", ["-c", "stdin", "script", "-i", "module", "exec"])
def test_what_main_defines_travels_without_a_guard(how: str, tmp_path: Path) -> None:
    script = tmp_path / "session.py"
    script.write_text(SESSION)
    if how == "-c":
        done = run("-c", SESSION)
    elif how == "stdin":
        done = run("-", stdin=SESSION)
    elif how == "script":
        done = run(str(script))
    elif how == "-i":
        done = run("-i", "-q", "-c", SESSION, stdin="")
    elif how == "module":
        done = run("-m", "session", folder=tmp_path)
    else:  # as a notebook has it: __main__ has no file, and cells come one by one
        cells = f"import __main__; del __main__.__file__; exec({SESSION!r}, __main__.__dict__)"
        wrapper = tmp_path / "kernel.py"
        wrapper.write_text(cells)
        done = run(str(wrapper))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[2, 4] 7\n"


def finish(body: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.py"
    script.write_text("import sys, threading, time\nfrom shoal import Engine\n" + textwrap.dedent(body))
    return run(str(script))


def test_exit_without_shutdown_waits_for_all(tmp_path: Path) -> None:
    done = finish(
        """
        engine = Engine(1)
        for n in range(20):
            engine.submit(abs, -n).add_done_callback(lambda f: print(f.result()))
        """,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(n) for n in range(20)]


def test_exit_after_shutdown_without_waiting(tmp_path: Path) -> None:
    done = finish(
        """
        engine = Engine(1)
        engine.submit(time.sleep, 0.05).add_done_callback(lambda f: print("done"))
        engine.shutdown(wait=False)
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_exit_while_a_daemon_thread_uses_it(tmp_path: Path) -> None:
    done = finish(
        """
        engine = Engine(2)
        def use():
            while True:
                engine.submit(abs, -1).result()
        threading.Thread(target=use, daemon=True).start()
        engine.submit(abs, -1).result()
        threading.excepthook = lambda _: None  # it is refused at some point, as it should be
        """,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_exit_while_another_thread_uses_it(tmp_path: Path) -> None:
    done = finish(
        """
        engine = Engine(2)
        main_is_over = threading.main_thread().join
        def use():
            main_is_over()
            print(engine.submit(abs, -5).result())
        threading.Thread(target=use).start()
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


def test_an_engine_whose_thread_made_it_is_gone(tmp_path: Path) -> None:
    done = finish(
        """
        made = []
        thread = threading.Thread(target=lambda: made.append(Engine(1)))
        thread.start()
        thread.join()
        print(made[0].submit(abs, -3).result())
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


def test_sys_exit_and_errors_with_work_under_way(tmp_path: Path) -> None:
    done = finish(
        """
        engine = Engine(1)
        engine.submit(time.sleep, 0.05).add_done_callback(lambda f: print("done"))
        sys.exit(3)
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "done\n", "")


def test_a_map_left_half_read_at_exit(tmp_path: Path) -> None:
    done = finish(
        f"""
        engine = Engine(2)
        results = engine.map(abs, range({scaled(10_000)}))
        print(next(results))
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_an_error_of_the_script_with_work_under_way(tmp_path: Path) -> None:
    done = finish(
        """
        engine = Engine(2)
        for _ in range(4):
            engine.submit(time.sleep, 0.05).add_done_callback(lambda f: print("done"))
        raise RuntimeError("on purpose")
        """,
        tmp_path,
    )
    assert done.returncode == 1
    assert done.stdout.count("done") == 4
    assert "on purpose" in done.stderr
