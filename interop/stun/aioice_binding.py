"""Asks STUN servers for our address with aioice, one for each HOST PORT; prints a JSON object for each."""

import asyncio
import json
import sys

from aioice import ice, stun


class Receiver:
    """What aioice's protocol reports to, which is nothing here."""

    def data_received(self, data, component):
        pass

    def protocol_lost(self, protocol):
        pass

    def request_received(self, message, addr, protocol):
        pass


async def ask(host, port):
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_datagram_endpoint(
        lambda: ice.StunProtocol(Receiver()), local_addr=("::1" if ":" in host else "127.0.0.1", 0)
    )
    local = protocol.transport.get_extra_info("sockname")
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    request.attributes["SOFTWARE"] = "aioice"
    request.add_fingerprint()
    response, _ = await protocol.request(request, (host, port))
    mapped = response.attributes["XOR-MAPPED-ADDRESS"]
    await protocol.close()
    return {
        "local": list(local[:2]),
        "mapped": list(mapped),
        "attributes": list(response.attributes),
    }


async def main(arguments):
    for host, port in zip(arguments[::2], arguments[1::2]):
        print(json.dumps(await asyncio.wait_for(ask(host, int(port)), 20)), flush=True)


asyncio.run(main(sys.argv[1:]))
