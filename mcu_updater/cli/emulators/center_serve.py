"""``mcu-updater center serve``: the center's console, in a browser and for programs."""

from __future__ import annotations

import threading
import webbrowser
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click

from mcu_updater.cli import paths
from mcu_updater.cli.emulators.center_modules import ModulesGiven, farm_of, modules_options
from mcu_updater.cli.given import given_as
from mcu_updater.cloud.center.device_session import state_path
from mcu_updater.core.errors import PortError, UsageError

LOOPBACK = "127.0.0.1"
PORT = 8021
_NEEDED = ("starlette", "uvicorn", "python_multipart", "tomlkit")


@dataclass(frozen=True, kw_only=True)
class ServeOptions(ModulesGiven):
    """Of ``center serve``."""

    file: Path
    db: Path | None
    address: str
    port: int
    token_file: Path | None
    boards: Path | None
    open_browser: bool


@click.command("serve")
@click.argument("file", type=paths.INPUT)
@click.option(
    "--db", type=paths.KEPT, metavar="DB", help="State file.  [default: FILE with the suffix .db]"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    metavar="N",
    help="Port to listen at; 0: any that is free.",
)
@click.option(
    "--address",
    default=LOOPBACK,
    show_default=True,
    metavar="A",
    help="Address to listen at. One that other computers reach needs --token-file.",
)
@click.option(
    "--token-file",
    type=paths.KEPT,
    metavar="FILE",
    help="Let in only who has the token in FILE, which is made where it is missing.",
)
@click.option(
    "--boards",
    type=paths.FOLDER,
    metavar="DIR",
    help="Board files of emulated devices: DIR/ID.board for the device ID.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open it in the browser.")
@modules_options
@given_as(ServeOptions)
def serve_command(given: ServeOptions) -> None:
    """Serve FILE's Developer Center in the browser, and as a JSON API, until it is interrupted.

    Prints the address to open. Other commands and served modules may work on FILE meanwhile.
    With --modules every device of FILE has an emulated one, which a client upgrades by these pages.
    """
    missing = [name for name in _NEEDED if not _is_there(name)]
    if missing:
        raise PortError(
            "the console's libraries are not installed",
            where="center serve",
            found=f"no {', '.join(missing)}",
            then="pip install 'mcu-updater[console]'",
        )
    _serve(given)


def _is_there(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True


def _serve(given: ServeOptions) -> None:
    from mcu_updater.cloud.center.followed import FollowedFile  # of an extra
    from mcu_updater.console.app import Console, make_app
    from mcu_updater.console.server import Place, serve
    from mcu_updater.console.token_file import token_in

    with closing(Place(given.address, given.port)) as place:
        if not place.is_loopback and given.token_file is None:
            raise UsageError(
                "other computers reach this address, so a token is needed",
                where=f"--address {given.address}",
                expected="--token-file FILE, or an address such as 127.0.0.1",
            )
        token = None if given.token_file is None else token_in(given.token_file)
        db = given.db or state_path(given.file)
        with farm_of(given, given.file, db) as modules:
            file = FollowedFile(given.file)
            app = make_app(Console(file, db, token, given.boards, modules))
            serve(app, place, lambda: _tell(place.url(token), given.open_browser))


def _tell(url: str, open_browser: bool) -> None:
    click.echo(url)
    if open_browser:  # some browsers of terminals end only when their user leaves
        threading.Thread(target=_open, args=(url,), daemon=True).start()


def _open(url: str) -> None:
    if not webbrowser.open(url):
        click.echo("warning: no browser could be opened", err=True)
