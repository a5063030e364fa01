"""The command line. Thin; prints what services return.

Heavy parts are imported inside the commands, so that ``--help`` and mistakes answer at once.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter

from runlake import __version__
from runlake.cli.deletes import delete, retention_app
from runlake.cli.export import export_app
from runlake.cli.keys import keys_app, tenants_app
from runlake.cli.operations import OPERATION_COMMANDS
from runlake.cli.query import query
from runlake.config import SETTINGS, Settings, load_settings
from runlake.errors import FilterError, RunlakeError, SettingsError
from runlake.store.lock import write_address

_USAGE_EXIT: Final = 2

app: Final = App(
    name="runlake",
    help="An open, self-hosted store for LLM and agent traces that speaks the LangSmith API.",
    version=__version__,
)

app.command(delete)
app.command(retention_app)
app.command(export_app)
app.command(keys_app)
app.command(query)
app.command(tenants_app)
for command in OPERATION_COMMANDS:
    app.command(command)

Flags: Final[Any] = dataclasses.make_dataclass(
    "Flags",
    [
        (
            setting.name,
            Annotated[
                str | None,
                Parameter(name=setting.flag, help=f"{setting.doc} {setting.variable}; default {setting.default_text}."),
            ],
            dataclasses.field(default=None),
        )
        for setting in SETTINGS
    ],
    kw_only=True,
    frozen=True,
    namespace={"__module__": __name__},  # else it counts as a class of the standard library, whose fields are not flags
)
"""One optional flag for each setting, made from the settings' own declarations; text, read by ``load_settings``."""
NO_FLAGS: Final = Flags()


@app.command
def serve(
    *,
    config: Annotated[Path | None, Parameter(help="TOML file with settings. RUNLAKE_CONFIG.")] = None,
    flags: Annotated[Flags, Parameter(name="*")] = NO_FLAGS,
) -> None:
    """Start the server. Flags win over RUNLAKE_* variables, these over the settings file, this over the defaults."""
    given = {name: value for name, value in dataclasses.asdict(flags).items() if value is not None}
    settings = load_settings(flags=given, environment=os.environ, config_file=config)

    from runlake.logs import configure_logs  # noqa: PLC0415 -- see the module docstring
    from runlake.serving import bind_socket, run  # noqa: PLC0415 -- see the module docstring

    configure_logs(level=settings.log_level, log_format=settings.log_format)
    # The port first: it is the cheaper of the two things that another server may hold.
    listener = bind_socket(settings.host, settings.port)
    from runlake.app import build  # noqa: PLC0415 -- see the module docstring

    with closing(listener), closing(build(settings)) as application:
        run(application, settings, listener, on_started=lambda port: _greet(settings, port, application.notice))
    if application.is_open:
        # An orderly end would wait for a thread in the engine that may not come back for minutes.
        sys.stdout.flush()
        os._exit(0)


def _greet(settings: Settings, port: int, notice: str | None) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 -- compared, not bound
    url = settings.public_url or f"http://{host}:{port}"
    write_address(settings.data, f"http://{host}:{port}")
    greeting = f"Runlake {__version__} serves {settings.data.resolve()} at {url} (API pages at {url}/docs)"
    from runlake.logs import is_json, say_on_stdout  # noqa: PLC0415 -- see the module docstring

    if is_json(settings.log_format) and not sys.stdout.isatty():
        # Where both streams go to one place, every line of it is JSON.
        say_on_stdout(greeting, url=url, notice=notice)
        return
    print(greeting)
    print("To send traces here:")
    print(f"  export LANGSMITH_ENDPOINT={url} LANGSMITH_API_KEY={'rl_...' if settings.keys_required else 'any'}")
    print("  export LANGSMITH_TRACING=true", flush=True)
    if notice:
        print(notice, flush=True)


@app.command
def explain(
    filter_text: Annotated[str, Parameter(name="FILTER", help="A filter, in quotes.")],
    /,
    *,
    strict: Annotated[bool, Parameter(help="Also report what the hosted service is known to refuse.")] = False,
    bar: Annotated[bool, Parameter(help="The text is a search such as status:error, not a filter.")] = False,
    url: Annotated[str | None, Parameter(help="Run it on this server instead; key in LANGSMITH_API_KEY.")] = None,
) -> None:
    """Show what a filter becomes: tokens, tree, typed tree, SQL. With --url also index use, rows read and time."""
    if url is not None:
        from runlake.explain_remote import explain_at  # noqa: PLC0415 -- see the module docstring

        print(explain_at(url, filter_text, is_search=bar))
        return
    from runlake.fql import Mode, bar_to_filter  # noqa: PLC0415 -- see the module docstring
    from runlake.query.explain import explain_filter  # noqa: PLC0415 -- see the module docstring

    if bar:
        filter_text = bar_to_filter(filter_text)
    explanation = explain_filter(filter_text, mode=Mode.STRICT if strict else Mode.LENIENT)
    print("an empty filter matches every run" if explanation is None else explanation.render())


@app.command
def translate(
    text: Annotated[str, Parameter(name="TEXT", help="A filter, or with --to filter a search; in quotes.")],
    /,
    *,
    to: Annotated[Literal["bar", "filter"], Parameter(help="The language to translate into.")] = "bar",
) -> None:
    """Say a filter in the words of a search bar, or a search as a filter. Needs no server and no data."""
    from runlake.fql import bar_to_filter, filter_to_bar  # noqa: PLC0415 -- see the module docstring

    print(filter_to_bar(text) if to == "bar" else bar_to_filter(text))


@app.command
def version() -> None:
    """Print the version."""
    print(__version__)


def main() -> None:
    """Entry point: our errors become one line and exit status 2 (bad input) or 1 (a fault)."""
    try:
        app()
    except FilterError as error:
        from runlake.api.errors import describe_filter  # noqa: PLC0415 -- see the module docstring

        print(describe_filter(error.diagnostics, error.field), file=sys.stderr)
        sys.exit(_USAGE_EXIT)
    except SettingsError as error:
        print(f"runlake: {error.message}", file=sys.stderr)
        sys.exit(_USAGE_EXIT)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain once more while it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except RunlakeError as error:
        print(f"runlake: {error.message}", file=sys.stderr)
        sys.exit(1)
