"""Which server of an address to speak to: the one there is, the sentinels' master, a node of the cluster.

Others may choose another one at the same time; what each asks every few seconds has them meet: a server that is no
master any more is left, and so is a node that has lost its cluster while another has not.
"""

from cloud.bus.connection import Connection, RedisTroubleError, connect, explain
from cloud.redis_address import Address, Node


class Dialler:
    """Finds the server. `name` is what it is told of who calls."""

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self._name = name
        self._turn = 0  # of the sentinels, or of the cluster's nodes

    async def find(self) -> Node:
        """Where to connect. Raises `RedisTroubleError`."""
        if self._address.kind == "sentinel":
            return await self._ask_sentinels()
        return self._address.nodes[self._turn % len(self._address.nodes)]

    async def connect(self, node: Node) -> Connection:
        """One connection to it. Raises OSError, TimeoutError, `RedisTroubleError`."""
        return await connect(self._address, node, name=self._name)

    @property
    def question(self) -> tuple[str, ...]:
        """The command whose reply tells whether this is the right server; see `wrong`."""
        return ("CLUSTER", "INFO") if self._address.kind == "cluster" else ("ROLE",)

    def failed(self) -> None:
        """That server was none: the next one's turn."""
        self._turn += 1

    async def is_elsewhere(self, node: Node) -> bool:
        """Whether there is a better server by now than this one. False where nobody can be asked."""
        if self._address.kind == "sentinel":
            try:
                return await self._ask_sentinels() != node
            except RedisTroubleError:
                return False
        for number, other in enumerate(self._address.nodes):
            if other != node and await self._is_well(other):
                self._turn = number - 1  # the next one tried
                return True
        return False

    async def _is_well(self, node: Node) -> bool:
        try:
            connection = await self.connect(node)
            try:
                return not wrong(self._address, await connection.call(*self.question))
            finally:
                connection.abort()
        except (OSError, TimeoutError, RedisTroubleError):
            return False

    async def _ask_sentinels(self) -> Node:
        nodes, why = self._address.nodes, "no sentinel is reached"
        for number in range(len(nodes)):
            node = nodes[(self._turn + number) % len(nodes)]
            try:
                return await self._ask(node)
            except (OSError, TimeoutError, RedisTroubleError) as error:
                why = f"no sentinel tells where it is: {explain(error)}"
        self._turn += 1
        raise RedisTroubleError(why)

    async def _ask(self, node: Node) -> Node:
        connection = await connect(self._address, node, at_sentinel=True)
        try:
            found = await connection.call("SENTINEL", "get-master-addr-by-name", self._address.master)
        finally:
            connection.abort()
        if not found:
            raise RedisTroubleError("they know no master of that name")
        return Node(found[0].decode(), int(found[1]))


def wrong(address: Address, reply: object) -> str:
    """Why this server is not to be used, by its reply to `Dialler.question`; empty where it may be, or does not say."""
    if address.kind == "cluster":
        return "this node has lost its cluster" if isinstance(reply, bytes) and b"cluster_state:fail" in reply else ""
    is_replica = isinstance(reply, list) and bool(reply) and reply[0] in (b"slave", b"sentinel")
    return "it is not the master" if is_replica else ""
