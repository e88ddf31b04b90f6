"""aioice as the other side of a test: signalling as JSON lines on standard input and output, ICE on 127.0.0.1.

    aioice_peer.py controlling|controlled [lite]

"lite" says that the other side is a lite agent.
"""

import asyncio
import json
import sys

import aioice
import aioice.ice

# By itself it has no candidate on the loopback interface.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def tell(**words):
    print(json.dumps(words), flush=True)


async def receive(connection):
    while True:
        data = await connection.recv()
        tell(data=data.decode(errors="replace"))
        await connection.send(b"echo " + data)


async def connect(connection):
    try:
        await connection.connect()
    except ConnectionError as error:
        tell(failed=str(error))
        return
    tell(connected=True)
    try:
        await receive(connection)
    except ConnectionError:
        tell(closed=True)


async def main():
    connection = aioice.Connection(ice_controlling=sys.argv[1] == "controlling")
    connection.remote_is_lite = "lite" in sys.argv
    await connection.gather_candidates()
    tell(ufrag=connection.local_username, password=connection.local_password)
    for candidate in connection.local_candidates:
        tell(candidate="candidate:" + candidate.to_sdp())
    tell(end=True)
    loop = asyncio.get_running_loop()
    task = None
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            break
        words = json.loads(line)
        if "ufrag" in words:
            # The second time it is a restart, for which there is no door: the checks that follow have the new credentials.
            connection.remote_username = words["ufrag"]
            connection.remote_password = words["password"]
            task = task or asyncio.create_task(connect(connection))
        elif "candidate" in words:
            text = words["candidate"].removeprefix("candidate:")
            await connection.add_remote_candidate(aioice.Candidate.from_sdp(text))
        elif "end" in words:
            await connection.add_remote_candidate(None)
        elif "send" in words:
            await connection.send(words["send"].encode())
    await connection.close()


asyncio.run(main())
