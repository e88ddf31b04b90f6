"""libjuice, inside libdatachannel, as the other side of a test: signalling as JSON lines on standard input and output.

    juice_peer.py controlling|controlled

It is a whole WebRTC stack, so signalling is wrapped into offers and answers here, and its first data is a DTLS handshake.
"""

import json
import sys
import threading

import pylibdatachannel as rtc

lock = threading.Lock()


def tell(**words):
    with lock:
        print(json.dumps(words), flush=True)


def on_description(description):
    fields = dict(
        line[2:].split(":", 1)
        for line in str(description.description).splitlines()
        if line.startswith("a=ice-ufrag:") or line.startswith("a=ice-pwd:")
    )
    tell(ufrag=fields["ice-ufrag"], password=fields["ice-pwd"])


def on_candidate(candidate):
    tell(candidate=str(candidate.candidate).removeprefix("a="))


def on_gathering(state):
    if state == rtc.GatheringState.COMPLETE:
        tell(end=True)


def on_ice(state):
    tell(state=state.name)
    if state in (rtc.IceState.CONNECTED, rtc.IceState.COMPLETED):
        tell(connected=True)


def session(words, setup):
    return "\r\n".join(
        [
            "v=0",
            "o=- 1 1 IN IP4 0.0.0.0",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE 0",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "c=IN IP4 0.0.0.0",
            "a=mid:0",
            "a=sctp-port:5000",
            "a=ice-ufrag:" + words["ufrag"],
            "a=ice-pwd:" + words["password"],
            "a=ice-options:ice2,trickle",
            "a=fingerprint:sha-256 " + ":".join(["AA"] * 32),
            "a=setup:" + setup,
            "",
        ]
    )


controls = sys.argv[1] == "controlling"
connection = rtc.PeerConnection(rtc.Configuration([]))
connection.on_local_description(on_description)
connection.on_local_candidate(on_candidate)
connection.on_gathering_state_change(on_gathering)
connection.on_ice_state_change(on_ice)
if controls:
    channel = connection.create_data_channel("test")

known = False
early = []
for line in sys.stdin:
    words = json.loads(line)
    if "ufrag" in words:
        kind = rtc.DescriptionType.ANSWER if controls else rtc.DescriptionType.OFFER
        text = session(words, "passive" if controls else "actpass")
        connection.set_remote_description(rtc.Description(text, kind))
        known = True
        for candidate in early:
            connection.add_remote_candidate(rtc.Candidate(candidate, "0"))
    elif "candidate" in words:
        if known:
            connection.add_remote_candidate(rtc.Candidate(words["candidate"], "0"))
        else:
            early.append(words["candidate"])
connection.close()
