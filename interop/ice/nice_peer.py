"""libnice as the other side of a test: signalling as JSON lines on standard input and output, ICE on 127.0.0.1.

    nice_peer.py controlling|controlled [lite] [regular] [renomination] [tcp]

"lite" makes it a lite agent, "regular" lets it nominate as RFC 8445 says and not aggressively,
"tcp" gives it TCP candidates only.
"""

import ctypes
import json
import sys
import threading

import gi

gi.require_version("Nice", "0.1")
from gi.repository import GLib, Nice  # noqa: E402


def tell(**words):
    print(json.dumps(words), flush=True)


loop = GLib.MainLoop()
options = Nice.AgentOption.ICE_TRICKLE | Nice.AgentOption.CONSENT_FRESHNESS
if "lite" in sys.argv:
    options |= Nice.AgentOption.LITE_MODE
if "regular" in sys.argv:
    options |= Nice.AgentOption.REGULAR_NOMINATION
if "renomination" in sys.argv:
    options |= Nice.AgentOption.SUPPORT_RENOMINATION
agent = Nice.Agent.new_full(loop.get_context(), Nice.Compatibility.RFC5245, options)
agent.props.upnp = False
agent.props.ice_tcp = "tcp" in sys.argv
agent.props.ice_udp = "tcp" not in sys.argv
agent.props.controlling_mode = sys.argv[1] == "controlling"
address = Nice.Address.new()
address.set_from_string("127.0.0.1")
agent.add_local_address(address)
stream = agent.add_stream(1)


def describe():
    _, ufrag, password = agent.get_local_credentials(stream)
    tell(ufrag=ufrag, password=password)
    for candidate in agent.get_local_candidates(stream, 1):
        tell(candidate=agent.generate_local_candidate_sdp(candidate).removeprefix("a="))
    tell(end=True)


def on_state(_agent, _stream, _component, state):
    name = Nice.component_state_to_string(Nice.ComponentState(state))
    tell(state=name)
    if name == "ready":
        tell(connected=True)
    elif name == "failed":
        tell(failed=True)


RECEIVE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p
)


@RECEIVE
def on_receive(_agent, _stream, _component, length, buffer, _user):
    text = ctypes.string_at(buffer, length).decode(errors="replace")
    tell(data=text)
    reply = "echo " + text
    agent.send(stream, 1, len(reply), reply)


def on_line(line):
    words = json.loads(line)
    if "ufrag" in words:
        agent.set_remote_credentials(stream, words["ufrag"], words["password"])
    elif "candidate" in words:
        candidate = agent.parse_remote_candidate_sdp(stream, "a=" + words["candidate"])
        if candidate is not None:
            agent.set_remote_candidates(stream, 1, [candidate])
    elif "end" in words:
        agent.peer_candidate_gathering_done(stream)
    elif "send" in words:
        agent.send(stream, 1, len(words["send"]), words["send"])
    elif "restart" in words:
        agent.restart()
        describe()
    return False


def read():
    for line in sys.stdin:
        GLib.idle_add(on_line, line)
    GLib.idle_add(loop.quit)


agent.connect("candidate-gathering-done", lambda *_: describe())
agent.connect("component-state-changed", on_state)
# The bindings leave this call out; the hash of an object is its address.
library = ctypes.CDLL("libnice.so.10")
library.nice_agent_attach_recv(
    ctypes.c_void_p(hash(agent)), stream, 1, None, on_receive, None
)
agent.gather_candidates(stream)
threading.Thread(target=read, daemon=True).start()
loop.run()
