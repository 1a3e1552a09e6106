// One call: signalling over a WebSocket, and the browser's RTCPeerConnection.
// Either side may offer at any time; when both do, this side gives way ("polite", WebRTC 1.0 §10.7).

/** The WebSocket, opened again whenever it breaks. Messages are JSON. */
export class Signalling extends EventTarget {
  constructor() {
    super();
    this.waiting = [];
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/signalling`);
    this.socket.onopen = () => {
      for (const message of this.waiting.splice(0)) this.socket.send(message);
      this.dispatchEvent(new Event("open"));
    };
    this.socket.onmessage = ({ data }) =>
      this.dispatchEvent(new MessageEvent("message", { data: JSON.parse(data) }));
    this.socket.onclose = () => {
      this.dispatchEvent(new Event("close"));
      setTimeout(() => this.open(), 1000);
    };
  }

  send(message) {
    const text = JSON.stringify(message);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
    else this.waiting.push(text);
  }
}

/** Emits "state", "track", "chat-open", "file-open" and "negotiated". */
export class Call extends EventTarget {
  constructor(signalling, number) {
    super();
    this.signalling = signalling;
    this.number = number;
    this.makingOffer = false;
    this.negotiations = 0;
    this.remoteCandidates = [];

    const pc = new RTCPeerConnection();
    this.pc = pc;
    pc.onicecandidate = ({ candidate }) =>
      this.send({ type: "candidate", candidate: candidate?.toJSON() ?? null });
    pc.onconnectionstatechange = () => this.emit("state");
    pc.ontrack = (event) => this.emit("track", event);
    pc.onnegotiationneeded = () => this.offer();

    this.chat = pc.createDataChannel("chat");
    this.chat.onopen = () => this.emit("chat-open");
    this.file = pc.createDataChannel("file");
    this.file.binaryType = "arraybuffer";
    this.file.onopen = () => this.emit("file-open");
  }

  /** Adds what the devices give; a call without any still has its channels. */
  addDevices(stream) {
    for (const kind of ["audio", "video"]) {
      const track = stream?.getTracks().find((track) => track.kind === kind);
      if (!track) continue;
      this[kind] = this.pc.addTransceiver(track, { direction: "sendrecv", streams: [stream] });
    }
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  send(message) {
    this.signalling.send({ ...message, call: this.number });
  }

  async offer() {
    try {
      this.makingOffer = true;
      await this.pc.setLocalDescription();
      this.send({ type: this.pc.localDescription.type, sdp: this.pc.localDescription.sdp });
    } catch (error) {
      this.emit("error", error);
    } finally {
      this.makingOffer = false;
    }
  }

  async handle(message) {
    if (message.call !== this.number || this.pc.signalingState === "closed") return;
    switch (message.type) {
      case "offer":
      case "answer":
        // An offer while ours is pending rolls ours back (setRemoteDescription does that).
        await this.pc.setRemoteDescription({ type: message.type, sdp: message.sdp });
        for (const candidate of this.remoteCandidates.splice(0)) await this.add(candidate);
        if (message.type === "offer") {
          await this.pc.setLocalDescription();
          this.send({ type: "answer", sdp: this.pc.localDescription.sdp });
        }
        if (this.pc.signalingState === "stable") {
          this.negotiations += 1;
          this.emit("negotiated");
        }
        break;
      case "candidate":
        if (this.pc.remoteDescription) await this.add(message.candidate);
        else this.remoteCandidates.push(message.candidate);
        break;
    }
  }

  async add(candidate) {
    try {
      await this.pc.addIceCandidate(candidate ?? undefined);
    } catch (error) {
      console.warn("candidate not used:", candidate?.candidate, error.message);
    }
  }

  /** Turns sending and receiving of a kind on with a track, or off without one, and renegotiates. */
  async setTrack(kind, track) {
    const transceiver = this[kind];
    if (!transceiver) {
      if (track) this[kind] = this.pc.addTransceiver(track, { direction: "sendrecv" });
      return;
    }
    await transceiver.sender.replaceTrack(track);
    transceiver.direction = track ? "sendrecv" : "inactive";
  }

  restartIce() {
    this.pc.restartIce();
  }

  close() {
    this.send({ type: "bye" });
    this.pc.close();
    this.emit("state");
  }
}
