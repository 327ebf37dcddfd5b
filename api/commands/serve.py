"""`gridcircle serve`: the service and its pages."""

from __future__ import annotations

import shlex
import socket
from typing import TYPE_CHECKING, Annotated

import typer
import uvicorn

from api.commands.console import errors_for_people, say, warn
from data.errors import SettingsError
from data.settings import default_home, in_container, is_loopback

if TYPE_CHECKING:
    from api.service import Service
    from data.settings import Settings

PORTS_TRIED = 20

HostOption = Annotated[
    str | None,
    typer.Option("--host", help="Address to listen on (default 127.0.0.1)."),
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=1, max=65535, help="Port (default 8000).")
]


def serve(host: HostOption = None, port: PortOption = None) -> None:
    """Start the service; without DATABASE_URL it brings its own private PostGIS."""
    with errors_for_people():
        from data.settings import Settings

        given = {"host": host, "port": port}
        run_service(Settings.load(**{k: v for k, v in given.items() if v is not None}))


def run_service(settings: Settings) -> None:
    """Run until interrupted; print the address once requests are answered.

    Raises
    ------
    SettingsError
        If the port and those after it are taken.
    """
    from api.app import create_app

    port = _free_port(settings.host, settings.port)
    if port != settings.port:
        say(f"  Port {settings.port} is taken; using {port}.")
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=app.state.protocol,
        host=settings.host,
        port=port,
        # Its start-up lines say what the announcement says better.
        log_level="debug" if settings.log_level == "debug" else "warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    server = AnnouncingServer(config)
    server.service = app.state.service
    try:
        server.run()
    except KeyboardInterrupt:
        say("  Stopped.")


class AnnouncingServer(uvicorn.Server):
    """A server that says its address when it is ready, not before."""

    service: Service | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then announce."""
        await super().startup(sockets=sockets)
        if self.started:
            _announce_administrator(self.service)
            _warn_of_plain_http(self.service)
            _announce(self.config.host, self.config.port)


def _free_port(host: str, wanted: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise SettingsError(
        f"Ports {wanted} to {wanted + PORTS_TRIED - 1} on {host} are all taken.",
        remedy="Stop what listens there or choose another with --port.",
    )


def _announce(host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104
    say("")
    say(f"  Gridcircle is running: http://{shown}:{port}/")
    say("  Ctrl-C stops it.")


def _announce_administrator(service: Service | None) -> None:
    """Show the first administrator's password, this once."""
    if service is None or service.first_administrator is None:
        return
    (name, password), service.first_administrator = service.first_administrator, None
    say("")
    if password is None:
        # The demonstration keeps its database in a folder of its own.
        home = service.settings.home
        where = "" if home == default_home() else f"GRIDCIRCLE_HOME={shlex.quote(str(home))} "
        say(f"  The account {name} has no password yet. Give it one on this machine:")
        say(f"  {where}gridcircle accounts password {name}")
    else:
        say(f"  First administrator: {name}   password: {password}")
        say("  It is shown this once and must be changed at the first log-in.")


def _warn_of_plain_http(service: Service | None) -> None:
    """Passwords that travel in clear are worth a line at every start."""
    if service is not None and not is_loopback(service.settings.host) and not in_container():
        warn("Others on the network can read passwords sent over http. Put a proxy with TLS")
        say("  in front and listen on 127.0.0.1: see docs/accounts.md.")
