// One side of a call in a WebRTC stack: `tell` takes what it has to say, what it gives back takes the commands of a test. The
// session lasts as long as ICE does, for the other side knows no DTLS.
function side(connection, whole, tell) {
  let ended;
  connection.onicecandidate = ({ candidate }) => {
    const line = candidate?.candidate;
    if (!line) ended?.();
    if (!whole) tell(line ? { candidate: line } : { end: true });
  };
  connection.oniceconnectionstatechange = () => {
    const state = connection.iceConnectionState;
    tell({ state });
    if (state === "connected" || state === "completed") tell({ connected: true });
  };

  async function describe(type, options) {
    const gathered = new Promise((resolve) => { ended = resolve; });
    const own = type === "offer" ? await connection.createOffer(options) : await connection.createAnswer();
    await connection.setLocalDescription(own);
    if (whole) await gathered;
    tell({ type, sdp: whole ? connection.localDescription.sdp : own.sdp });
  }

  async function pair() {
    const report = [...(await connection.getStats()).values()];
    const find = (id) => report.find((entry) => entry.id === id) ?? {};
    const transport = report.find((entry) => entry.type === "transport") ?? {};
    const selected = find(transport.selectedCandidatePairId);
    const end = (id) => {
      const { address, port, candidateType, usernameFragment } = find(id);
      return { address, port, type: candidateType, ufrag: usernameFragment };
    };
    const local = end(selected.localCandidateId);
    const remote = end(selected.remoteCandidateId);
    const { state, nominated, packetsReceived, responsesReceived } = selected;
    tell({ pair: { state, nominated, packetsReceived, responsesReceived, local, remote, role: transport.iceRole } });
  }

  async function follow(words) {
    if (words.offer) {
      await connection.setRemoteDescription({ type: "offer", sdp: words.offer });
      await describe("answer");
    } else if (words.answer) {
      await connection.setRemoteDescription({ type: "answer", sdp: words.answer });
    } else if ("candidate" in words) {
      await connection.addIceCandidate({ candidate: words.candidate, sdpMid: "0", sdpMLineIndex: 0 });
    } else if (words.call) {
      connection.createDataChannel("test");
      await describe("offer");
    } else if (words.restart) {
      await describe("offer", { iceRestart: true });
    } else if (words.stats) {
      await pair();
    }
  }

  // One after the other, as the commands came.
  let last = Promise.resolve();
  return (words) => {
    last = last.then(() => follow(words)).catch((error) => tell({ error: String(error) }));
  };
}
