"""Follows a page: runs its commands in an empty folder and compares what it shows with what happens.

Blocks of `sh` are run, one after the other, in one shell. Blocks with `file=PATH` are written to that file, in the folder
where the shell is then. A block of `text` after one of `sh` is what that one prints, some of its lines, with an ellipsis for
what may be anything; the commands are repeated until they do. `text,note` is for the reader alone.

The address of the repository leads to this checkout. `HOME` and whatever the page installs are in the empty folder.
With FOLLOW_BINARY, `cargo install` installs that file instead of building it.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

REPOSITORY = "https://github.com/ringstat/ringstat"
PATIENCE = 60
PORTS = [8125, 8126, 9090, 9125]
MARK = "--- the block ended with"


def blocks(page):
    """The kind, the file and the text of each block."""
    for info, text in re.findall(r"^```(\S+)\n(.*?)^```$", page, re.M | re.S):
        kind, _, rest = info.partition(",")
        name = rest.removeprefix("file=") if rest.startswith("file=") else None
        yield kind, name, rest, text


def pattern(line):
    return re.compile(".*".join(re.escape(part) for part in line.split("…")))


class Shell:
    """One shell from the first block to the last."""

    def __init__(self, folder):
        root = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
        home = os.environ.get("HOME", "/")
        env = dict(os.environ)
        env.update(
            # Compilers, and the crates that were downloaded before, are those of the machine.
            CARGO_HOME=os.environ.get("CARGO_HOME", home + "/.cargo"),
            RUSTUP_HOME=os.environ.get("RUSTUP_HOME", home + "/.rustup"),
            HOME=folder,
            CARGO_INSTALL_ROOT=folder + "/prefix",
            PATH=folder + "/prefix/bin:" + os.environ["PATH"],
            CARGO_NET_GIT_FETCH_WITH_CLI="true",
            GIT_CONFIG_COUNT="2",
            GIT_CONFIG_KEY_0=f"url.file://{root}.insteadOf",
            GIT_CONFIG_VALUE_0=REPOSITORY,
            GIT_CONFIG_KEY_1="safe.directory",
            GIT_CONFIG_VALUE_1="*",
        )
        if binary := os.environ.get("FOLLOW_BINARY"):
            os.makedirs(folder + "/prefix/bin")
            os.symlink(os.path.realpath(binary), folder + "/prefix/bin/ringstat")
        self.log = open(folder + "/log", "w+")
        self.process = subprocess.Popen(
            ["bash", "-o", "pipefail"], cwd=folder, env=env, stdin=subprocess.PIPE,
            stdout=self.log, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        self.read = 0

    def run(self, commands):
        """Runs them up to the first that fails, and returns its exit code and what all of them printed."""
        said = ""
        for line in commands.replace("\\\n", " ").splitlines():
            if line.startswith("cargo install ") and "FOLLOW_BINARY" in os.environ:
                continue
            before = listening()
            code, text = self.step(line)
            said += text
            if code != 0:
                return code, said
            if line.rstrip().endswith("&"):
                # Whoever types waits until the server says that it is there.
                await_change(before)
        return 0, said

    def step(self, line):
        self.process.stdin.write(f'{line}\nprintf "\\n%s\\n" "{MARK} $?"\n')
        self.process.stdin.flush()
        while True:
            self.log.flush()
            with open(self.log.name) as log:
                log.seek(self.read)
                text = log.read()
            ended = re.search(f"^{MARK} (\\d+)$", text, re.M)
            if ended:
                self.read += len(text.encode())
                return int(ended[1]), text[:ended.start()]
            if self.process.poll() is not None:
                return 1, text
            time.sleep(0.05)

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


def listening():
    """The ports of PORTS at which somebody answers."""
    found = set()
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.add(port)
    return found


def await_change(before):
    until = time.monotonic() + PATIENCE
    while listening() <= before:
        if time.monotonic() > until:
            sys.exit("a server that was started does not answer")
        time.sleep(0.05)


def fail(page, what):
    print(f"{page}: {what}", file=sys.stderr)
    sys.exit(1)


def main(path):
    if taken := listening():
        fail(path, f"ports that the page needs are taken on this machine: {taken}")
    with open(path) as file, tempfile.TemporaryDirectory() as folder:
        page = list(blocks(file.read()))
        if not any(kind == "text" for kind, *_ in page):
            fail(path, "it shows no number")
        shell = Shell(folder)
        last, said = "", ""
        try:
            for kind, name, rest, text in page:
                if name:
                    write(shell, name, text)
                elif kind == "sh":
                    last = text
                    code, said = shell.run(text)
                    if code != 0 and "|" not in text:
                        fail(path, f"this failed:\n{text}\n{said}")
                elif kind == "text" and rest != "note":
                    wanted = [pattern(line) for line in text.splitlines() if line.strip()]
                    until = time.monotonic() + PATIENCE
                    while not all(w.search(said) for w in wanted):
                        if time.monotonic() > until:
                            fail(path, f"it should show\n{text}but\n{last}shows\n{said}")
                        time.sleep(0.5)
                        _, said = shell.run(last)
        finally:
            shell.end()
    print(f"{path}: followed to its number")


def write(shell, name, text):
    """Writes a file to where the shell is."""
    _, where = shell.run("pwd")
    target = os.path.join(where.strip().splitlines()[-1], name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w") as file:
        file.write(text)


main(sys.argv[1])
