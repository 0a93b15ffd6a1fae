"""`upstreams.<name>.credentials`: a fixed pair of AWS, where the machine has no role."""

from __future__ import annotations

from typing import Annotated

from pydantic import SecretStr

from s4fw.config.forms import Text
from s4fw.config.secret import Secret
from s4fw.config.section import Section, setting


class Credentials(Section):
    """AWS credentials.  For tests and machines outside AWS; a role needs none of it."""

    access_key_id: Annotated[str, Text(r"[A-Za-z0-9_-]{4,128}", "an access key id")] = setting(
        "The access key id."
    )
    secret_access_key: Annotated[SecretStr, Secret()] = setting(
        "The secret access key, as text or `{file: path}`."
    )
    session_token: Annotated[SecretStr, Secret()] | None = setting(
        "The session token of temporary credentials, as text or `{file: path}`; they are not"
        " renewed.",
        None,
    )
