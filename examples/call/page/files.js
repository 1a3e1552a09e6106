// A file that goes out over a data channel and comes back: first a line of JSON, then its bytes.

const CHUNK = 64 * 1024;
const BUFFERED = 4 * 1024 * 1024;
/** The browser's SHA-256 takes a file in one piece, so that it has to fit in memory. */
const LARGEST = 512 * 1024 * 1024;

export class FileEcho {
  /** `progress` is called with {name, size, sent, back, seconds}. */
  constructor(channel, progress) {
    this.channel = channel;
    this.progress = progress;
    this.current = null;
    channel.bufferedAmountLowThreshold = BUFFERED / 4;
    channel.onmessage = ({ data }) => this.receive(data);
    channel.addEventListener("close", () => this.fail("the channel was closed"));
  }

  /** Sends a file and returns the verdict on what came back: {ok, name, size, sha256, seconds}. */
  async send(file) {
    if (this.current) throw new Error("one file at a time, please");
    if (file.size > LARGEST) throw new Error(`files up to ${LARGEST / 1048576} MiB, please`);
    const transfer = { name: file.name, size: file.size, sent: 0, back: 0, pieces: [], started: performance.now() };
    this.current = transfer;
    const done = new Promise((resolve, reject) => Object.assign(transfer, { resolve, reject }));
    done.catch(() => {});
    try {
      const bytes = await file.arrayBuffer();
      const sha256 = await digest(bytes);
      this.channel.send(JSON.stringify({ name: file.name, size: file.size, sha256 }));
      for (let at = 0; at < bytes.byteLength; at += CHUNK) {
        if (this.channel.bufferedAmount > BUFFERED) await this.drained();
        this.channel.send(bytes.slice(at, at + CHUNK));
        transfer.sent = Math.min(at + CHUNK, bytes.byteLength);
        this.report(transfer);
      }
      await done;
      const seconds = (performance.now() - transfer.started) / 1000;
      const returned = await digest(await new Blob(transfer.pieces).arrayBuffer());
      return { ok: returned === sha256, name: file.name, size: file.size, sha256: returned, seconds };
    } finally {
      this.current = null;
    }
  }

  receive(data) {
    const transfer = this.current;
    if (!transfer) return;
    if (typeof data === "string") {
      if (JSON.parse(data).size === 0) transfer.resolve();
      return;
    }
    transfer.pieces.push(data);
    transfer.back += data.byteLength;
    this.report(transfer);
    if (transfer.back >= transfer.size) transfer.resolve();
  }

  report({ name, size, sent, back, started }) {
    this.progress({
      name,
      size,
      sent: Math.max(0, sent - this.channel.bufferedAmount),
      back,
      seconds: (performance.now() - started) / 1000,
    });
  }

  fail(reason) {
    this.current?.reject(new Error(reason));
  }

  drained() {
    return new Promise((resolve, reject) => {
      this.channel.addEventListener("bufferedamountlow", resolve, { once: true });
      this.channel.addEventListener("close", () => reject(new Error("the channel was closed")), { once: true });
    });
  }
}

async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
