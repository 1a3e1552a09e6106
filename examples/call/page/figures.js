// The browser's statistics, and the same figures from Peerless, as one sample a second.

export class Figures {
  constructor() {
    this.before = null;
    this.serverBefore = null;
    this.server = null;
    this.last = null;
  }

  /** Peerless's statistics, as they come over the WebSocket. */
  fromServer(message) {
    const now = performance.now();
    const before = this.serverBefore;
    const sum = (streams, key) => streams.reduce((total, stream) => total + (stream[key] ?? 0), 0);
    const { inbound = [], outbound = [] } = message;
    const counted = {
      at: now,
      bytesReceived: sum(inbound, "bytes"),
      bytesSent: sum(outbound, "bytes"),
      received: sum(inbound, "packets"),
      lost: sum(inbound, "lost"),
    };
    this.server = {
      roundTripTime: message.round_trip_ms ?? NaN,
      rate: rate(before, counted, "bytesReceived") + rate(before, counted, "bytesSent"),
      loss: loss(before, counted),
      jitter: inbound.length ? Math.max(...inbound.map((stream) => stream.jitter_ms ?? 0)) : NaN,
      raw: message,
    };
    this.serverBefore = counted;
  }

  /** Takes a sample of the browser's statistics. */
  async sample(pc) {
    const report = await pc.getStats();
    const all = [...report.values()];
    const of = (type, kind) => all.filter((stat) => stat.type === type && (!kind || stat.kind === kind));
    const sum = (stats, key) => stats.reduce((total, stat) => total + (stat[key] ?? 0), 0);

    const transport = of("transport")[0];
    const pair = report.get(transport?.selectedCandidatePairId)
      ?? of("candidate-pair").find((stat) => stat.selected || (stat.nominated && stat.state === "succeeded"));
    const inbound = of("inbound-rtp");
    const counted = {
      at: performance.now(),
      bytesReceived: sum(inbound, "bytesReceived"),
      bytesSent: sum(of("outbound-rtp"), "bytesSent"),
      received: sum(inbound, "packetsReceived"),
      lost: sum(inbound, "packetsLost"),
    };
    const remote = of("remote-inbound-rtp").map((stat) => stat.roundTripTime).filter(Number.isFinite);
    const roundTripTime = pair?.currentRoundTripTime ?? (remote.length ? Math.max(...remote) : NaN);
    const codec = (stat) => report.get(stat?.codecId)?.mimeType?.split("/")[1];
    const [video] = of("inbound-rtp", "video");
    const [audio] = of("inbound-rtp", "audio");
    this.last = {
      roundTripTime: roundTripTime * 1000,
      rate: rate(this.before, counted, "bytesReceived") + rate(this.before, counted, "bytesSent"),
      loss: loss(this.before, counted),
      jitter: inbound.length ? Math.max(...inbound.map((stat) => (stat.jitter ?? 0) * 1000)) : NaN,
      framesDecoded: video?.framesDecoded ?? 0,
      frameWidth: video?.frameWidth,
      frameHeight: video?.frameHeight,
      framesPerSecond: video?.framesPerSecond,
      concealedSamples: audio?.concealedSamples ?? 0,
      totalSamplesReceived: audio?.totalSamplesReceived ?? 0,
      facts: {
        pair: pair && [report.get(pair.localCandidateId), report.get(pair.remoteCandidateId)]
          .map((candidate) => candidate?.candidateType ?? "?").join(" ↔ "),
        dtls: { FEFF: "DTLS 1.0", FEFD: "DTLS 1.2", FEFC: "DTLS 1.3" }[transport?.tlsVersion],
        cipher: transport?.dtlsCipher,
        srtp: transport?.srtpCipher,
        codecs: [...new Set([codec(video), codec(audio)].filter(Boolean))].join(", "),
      },
    };
    this.before = counted;
    return this.last;
  }
}

/** Kilobits per second between two countings. */
function rate(before, now, key) {
  if (!before) return NaN;
  return Math.max(0, ((now[key] - before[key]) * 8) / (now.at - before.at));
}

/** Per cent lost of what was due between two countings. */
function loss(before, now) {
  if (!before) return NaN;
  const lost = Math.max(0, now.lost - before.lost);
  const due = lost + Math.max(0, now.received - before.received);
  return due ? (100 * lost) / due : 0;
}
