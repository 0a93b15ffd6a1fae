"""What every URL of a configuration has: http or https, and the name or address of a host."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from s4fw.config.document import Scalar
from s4fw.config.forms import Form

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]{2,45}")


class Url(Form):
    """The base of URLs.  None is ever quoted in a problem: people put secrets into URLs."""

    schema = {"type": "string", "pattern": "^https?://"}

    def split(self, scalar: Scalar) -> tuple[SplitResult, str, int | None]:
        """The parts, the host in small letters and the port, if one is given.

        Raises ValueError; what the path and the rest may hold is for the caller to say.
        """
        try:
            parts = urlsplit(scalar.text)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise self.refused() from None
        if parts.scheme not in ("http", "https") or not host or _HOST.fullmatch(host) is None:
            raise self.refused()
        return parts, host, port
