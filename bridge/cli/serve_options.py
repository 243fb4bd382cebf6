"""The options of `scorebridge serve`, which the commands about settings take as well."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["ServeOptions"]


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What the command line says of a gateway's settings; every field is an option, and described by its help."""

    repository: Annotated[Path | None, typer.Option(help="The folder that holds the bundles of all models.")] = None
    config: Annotated[Path | None, typer.Option(help="TOML file with the gateway's settings.")] = None
    log_dir: Annotated[Path | None, typer.Option(help="Folder of the prediction log; no log without it.")] = None
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None
    grpc_port: Annotated[int | None, typer.Option(help="Port for gRPC; 0 picks a free port.")] = None
    http_port: Annotated[int | None, typer.Option(help="Port for HTTP; 0 picks a free port.")] = None
    front: Annotated[str | None, typer.Option(help="The gRPC server: auto, grpc or native; auto means grpc.")] = None

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Returns the settings for which there is an option; it has the key's name, with hyphens."""
        return tuple(field.name for field in fields(ServeOptions) if field.name != "config")

    def given(self) -> dict[str, Any]:
        """Returns the settings that the command line gives, by key; None where an option was not given."""
        return {key: getattr(self, key) for key in self.keys()}
