"""nginx, HAProxy, tinyproxy and squid, each run by a test for itself.

They listen on free ports of the loopback, and have all their files in a folder of the test's.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

PATIENCE = 15.0
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def find(name, optional=False):
    """The path of a program. Without it the test is skipped, or fails where all must be there."""
    path = shutil.which(name, path=PLACES)
    if path is None:
        if os.environ.get("CI") == "true" and not optional:
            pytest.fail(f"{name} is not installed, and here it must be")
        pytest.skip(f"{name} is not installed")
    return path


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def running(command, port, log, stop=signal.SIGTERM):
    """Run a program while it listens on the port; its output goes to the file."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_it_listens(process, port, log)
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_listens(process, port, log):
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
            return
        except OSError:
            pass  # not yet
        try:
            # Waits a moment, or not at all if the program has given up.
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            if time.monotonic() < until:
                continue
        pytest.fail(f"{process.args[0]} does not listen: {log.read_text(errors='replace')}")


@contextlib.contextmanager
def nginx(folder, servers):
    """nginx with these server blocks, in which PORT is its port; gives the port."""
    program = find("nginx")
    port = free_port()
    config = folder / "nginx.conf"
    paths = "\n".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"""
        # Otherwise its workers become somebody who may not enter the folder.
        {"user root;" if ROOT else ""}
        daemon off;
        worker_processes 1;
        pid {folder}/nginx.pid;
        error_log stderr warn;
        events {{ worker_connections 512; }}
        http {{
            access_log {folder}/access.log;
            {paths}
            {servers.replace("PORT", str(port))}
        }}
        """
    )
    log = folder / "nginx.log"
    command = [program, "-p", str(folder), "-c", str(config), "-e", "stderr"]
    with running(command, port, log, signal.SIGTERM):
        yield port


@contextlib.contextmanager
def tinyproxy(folder, more=""):
    program = find("tinyproxy")
    port = free_port()
    config = folder / "tinyproxy.conf"
    log = folder / "tinyproxy.log"
    config.write_text(
        f"""
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 60
MaxClients 100
PidFile "{folder}/tinyproxy.pid"
LogFile "{log}"
LogLevel Info
{more}
"""
    )
    with running([program, "-d", "-c", str(config)], port, folder / "tinyproxy.out"):
        yield port


@contextlib.contextmanager
def squid(_):
    program = find("squid", optional=True)
    port = free_port()
    # Started by root it becomes somebody else, who may not enter the folder of a test.
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        with _squid(program, Path(name), port):
            yield port


@contextlib.contextmanager
def _squid(program, folder, port):
    config = folder / "squid.conf"
    config.write_text(
        f"""
http_port 127.0.0.1:{port}
http_access allow all
cache deny all
cache_mem 8 MB
memory_cache_shared off
pid_filename {folder}/squid.pid
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
cache_store_log none
coredump_dir {folder}
netdb_filename none
pinger_enable off
max_filedescriptors 1024
shutdown_lifetime 0 seconds
"""
    )
    command = [program, "-N", "-f", str(config)]
    # When asked to stop, it first waits a while for its clients.
    with running(command, port, folder / "squid.log", signal.SIGKILL):
        yield


@contextlib.contextmanager
def haproxy(folder, servers, more=""):
    """HAProxy before the servers' ports, one after the other in turn."""
    program = find("haproxy")
    port = free_port()
    config = folder / "haproxy.cfg"
    lines = "\n".join(
        f"    server s{number} 127.0.0.1:{other} check inter 100ms fall 1 rise 1"
        for number, other in enumerate(servers)
    )
    config.write_text(
        f"""
global
    maxconn 500
    nbthread 1
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    # It would try a server again that is gone, and hide that from the client.
    retries 0
    {more}
listen front
    bind 127.0.0.1:{port}
    balance roundrobin
{lines}
"""
    )
    with running([program, "-db", "-f", str(config)], port, folder / "haproxy.log"):
        yield port
