"""Every socket of the data plane.  Knows the pipeline's verbs and the dialects, no stage.

Proxy       one worker's data plane: its connections, bounds and what a reload swaps
Downstream  one connection of a caller: requests in, answers out, one at a time
Forward     one admitted exchange on its way to an upstream and back
Connector   the way to one upstream; its Pool decides, it connects
Upstream    one connection to an upstream
Wheel       all deadlines, coarse and cheap
"""

from s4fw.proxy.origin import Origin
from s4fw.proxy.proxy import Proxy
from s4fw.proxy.settings import Settings
from s4fw.proxy.tls import ListenerTls

__all__ = ["ListenerTls", "Origin", "Proxy", "Settings"]
