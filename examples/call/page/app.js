// The page: buttons, pictures, chat, files, graphs. The call itself is in call.js.

import { Call, Signalling } from "./call.js";
import { openCamera, openDevices } from "./devices.js";
import { Figures } from "./figures.js";
import { FileEcho } from "./files.js";
import { Graph } from "./graph.js";

const $ = (id) => document.getElementById(id);
const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const bitrate = (value) => (value < 1000 ? `${Math.round(value)} kbit/s` : `${(value / 1000).toFixed(2)} Mbit/s`);
const bytes = (value) => (value < 1e6 ? `${(value / 1e3).toFixed(0)} kB` : `${(value / 1e6).toFixed(1)} MB`);

const graphs = {
  roundTripTime: new Graph("rtt", milliseconds, 2),
  rate: new Graph("rate", bitrate, 100),
  loss: new Graph("loss", (value) => `${value.toFixed(1)} %`, 1),
  jitter: new Graph("jitter", milliseconds, 2),
};

const signalling = new Signalling();
let call = null;
let calls = 0;
let devices = null;
let files = null;
let figures = new Figures();
let me = null;
let mode = "frames";
let serverFacts = {};
const meters = {};
const said = new Map();

// What a test (or a curious person at the console) may look at and press.
window.peerless = {
  get id() { return me; },
  get pc() { return call?.pc ?? null; },
  get state() { return call?.pc.connectionState ?? "idle"; },
  get mode() { return mode; },
  get negotiations() { return call?.negotiations ?? 0; },
  get stats() { return { browser: figures.last, server: figures.server?.raw ?? null }; },
  get facts() { return { browser: figures.last?.facts ?? {}, server: serverFacts }; },
  get level() { return meters.returned?.level() ?? 0; },
  peakLevel: 0,
  chat: [],
  file: null,
  errors: [],
  start,
  hangUp,
  setMode,
  setCamera,
  say,
  sendFile,
  restart,
};

// ---- signalling -------------------------------------------------------------------------------

signalling.addEventListener("message", async ({ data: message }) => {
  switch (message.type) {
    case "hello":
      me = message.id;
      break;
    case "mode":
      mode = message.mode;
      showMode(true);
      break;
    case "facts":
      serverFacts = message;
      showFacts();
      break;
    case "stats":
      if (message.call === call?.number) figures.fromServer(message);
      break;
    case "error":
      notice(message.message);
      break;
    default:
      try {
        await call?.handle(message);
      } catch (error) {
        problem(error);
      }
  }
});
signalling.addEventListener("close", () => notice("The server is gone. Is it still running?"));
signalling.addEventListener("open", () => {
  notice(null);
  // The server knows this tab by its WebSocket: a call from before cannot be negotiated any more.
  if (call && me) {
    hangUp();
    notice("The server was gone for a moment, and the call with it. Please start again.");
  }
});

// ---- the call ---------------------------------------------------------------------------------

async function start() {
  if (call) return;
  $("start").disabled = true;
  setStatus("connecting", "asking for camera and microphone …");
  const opened = await openDevices();
  devices = opened.stream;
  notice(opened.notice);
  show("own", devices?.getVideoTracks().length ? devices : null);
  meters.own = meter("own-level", devices);

  call = new Call(signalling, (calls += 1));
  figures = new Figures();
  for (const graph of Object.values(graphs)) graph.clear();
  call.addEventListener("state", showState);
  call.addEventListener("track", ({ detail }) => returned(detail));
  call.addEventListener("negotiated", showFacts);
  call.addEventListener("error", ({ detail }) => problem(detail));
  call.addEventListener("chat-open", () => {
    $("text").disabled = $("say").querySelector("button").disabled = false;
    note("The chat is open. What you write goes through Peerless to every open tab, this one too.");
  });
  call.addEventListener("file-open", () => {
    $("file").disabled = false;
    delete $("drop").dataset.disabled;
  });
  call.chat.onmessage = ({ data }) => heard(JSON.parse(data));
  files = new FileEcho(call.file, showProgress);
  call.addDevices(devices);
  signalling.send({ type: "mode", mode, call: call.number });

  $("start").hidden = true;
  $("start").disabled = false;
  $("hang-up").hidden = false;
  $("hang-up").focus();
  $("camera").disabled = false;
  $("microphone").disabled = !devices?.getAudioTracks().length;
  pressed("camera", Boolean(devices?.getVideoTracks().length));
  pressed("microphone", Boolean(devices?.getAudioTracks().length));
  $("restart-browser").disabled = $("restart-server").disabled = false;
  showState();
  showMode(false);
}

function hangUp() {
  if (!call) return;
  call.close();
  call = null;
  files = null;
  for (const track of devices?.getTracks() ?? []) track.stop();
  devices = null;
  serverFacts = {};
  show("own", null);
  show("returned", null);
  for (const name of Object.keys(meters)) {
    meters[name]?.stop();
    delete meters[name];
  }
  $("start").hidden = false;
  $("start").focus();
  $("hang-up").hidden = true;
  for (const id of ["camera", "microphone", "restart-browser", "restart-server", "text", "file"]) $(id).disabled = true;
  $("say").querySelector("button").disabled = true;
  $("drop").dataset.disabled = "";
  $("facts").replaceChildren();
  $("security").hidden = true;
  showState();
  showMode(false);
}

function returned({ track }) {
  const stream = $("returned-video").srcObject ?? new MediaStream();
  for (const old of stream.getTracks().filter((old) => old.kind === track.kind)) stream.removeTrack(old);
  stream.addTrack(track);
  $("returned-video").srcObject = stream;
  if (track.kind === "video") {
    // A track is muted until its first packet, and when the camera is off.
    const update = () => $("returned").toggleAttribute("data-empty", track.muted);
    track.onunmute = track.onmute = update;
    update();
  } else {
    meters.returned?.stop();
    meters.returned = meter("returned-level", new MediaStream([track]));
  }
  $("returned-video").play().catch(() => {});
}

async function setCamera(on) {
  if (!call) return;
  if (on) {
    const { track, notice: problem } = await openCamera();
    notice(problem);
    if (!track || !call) return;
    devices ??= new MediaStream();
    devices.addTrack(track);
    await call.setTrack("video", track);
  } else {
    for (const track of devices?.getVideoTracks() ?? []) {
      track.stop();
      devices.removeTrack(track);
    }
    await call.setTrack("video", null);
  }
  show("own", on ? new MediaStream(devices.getVideoTracks()) : null);
  if (!on) $("returned").toggleAttribute("data-empty", true);
  pressed("camera", on);
}

function setMode(wanted) {
  mode = wanted;
  signalling.send({ type: "mode", mode, call: call?.number ?? 0 });
  showMode(false);
}

function restart(side) {
  if (!call) return;
  if (side === "browser") call.restartIce();
  else signalling.send({ type: "restart", call: call.number });
}

// ---- chat and files ---------------------------------------------------------------------------

function say(text) {
  const number = said.size + 1;
  said.set(number, performance.now());
  call.chat.send(JSON.stringify({ text, number }));
}

function heard({ from, text, number }) {
  window.peerless.chat.push({ from, text });
  const line = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = from === me ? "you" : from;
  line.append(name, text);
  if (from === me) {
    line.className = "own";
    const took = document.createElement("small");
    took.textContent = `there and back in ${milliseconds(performance.now() - said.get(number))}`;
    line.append(took);
  }
  append(line);
}

function note(text) {
  const line = document.createElement("li");
  line.className = "note";
  line.textContent = text;
  append(line);
}

function append(line) {
  $("messages").append(line);
  while ($("messages").children.length > 500) $("messages").firstChild.remove();
  $("messages").scrollTop = $("messages").scrollHeight;
}

async function sendFile(file) {
  if (!files) return null;
  $("transfer").hidden = false;
  $("verdict").textContent = "";
  delete $("verdict").dataset.ok;
  showProgress({ name: file.name, size: file.size, sent: 0, back: 0, seconds: 0 });
  let verdict;
  try {
    verdict = await files.send(file);
    $("verdict").textContent = verdict.ok
      ? `Identical: SHA-256 ${verdict.sha256.slice(0, 16)}… in ${verdict.seconds.toFixed(2)} s`
      : "What came back is not what was sent.";
  } catch (error) {
    verdict = { ok: false, name: file.name, size: file.size, error: error.message };
    $("verdict").textContent = `Not sent: ${error.message}.`;
  }
  $("verdict").dataset.ok = verdict.ok;
  window.peerless.file = verdict;
  return verdict;
}

function showProgress({ name, size, sent, back, seconds }) {
  const part = (count) => (size ? count / size : 1);
  $("transfer-name").textContent = name;
  $("transfer-figures").textContent =
    `${bytes(back)} of ${bytes(size)} back` + (seconds > 0.2 ? ` · ${bytes(back / seconds)}/s` : "");
  $("sent").style.transform = `scaleX(${part(sent)})`;
  $("back").style.transform = `scaleX(${part(back)})`;
  $("progress").setAttribute("aria-valuenow", Math.round(part(back) * 100));
}

// ---- what is seen -----------------------------------------------------------------------------

function showState() {
  const state = window.peerless.state;
  const words = {
    idle: "not connected",
    new: "connecting …",
    connecting: "connecting …",
    connected: "connected",
    disconnected: "the network is gone, waiting for it …",
    failed: "the connection failed: hang up, or restart ICE",
    closed: "not connected",
  };
  setStatus(state === "new" ? "connecting" : state, words[state] ?? state);
}

function setStatus(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

function showMode(confirmed) {
  for (const input of document.getElementsByName("mode")) input.checked = input.value === mode;
  const says = {
    frames: "packet → depacketiser → frame → packetiser → packet",
    packets: "whole packets, as a forwarding unit would",
  };
  const active = confirmed ? "Active now" : call ? "Asking for" : "In the next call";
  $("mode-says").textContent = `${active}: ${says[mode]}`;
}

function showFacts() {
  const { pair, codecs } = figures.last?.facts ?? {};
  const rows = { Pair: serverFacts.pair ?? pair, Codecs: serverFacts.codecs ?? codecs, You: me };
  if (serverFacts.connected_ms !== undefined) rows["Connected in"] = `${Math.round(serverFacts.connected_ms)} ms`;
  describe("facts", rows);
  showSecurity(serverFacts.security);
}

/** What Peerless reports; the browser's statistics say the same, but for the group, which they lack. */
function showSecurity(security) {
  $("security").hidden = !security;
  if (!security) return;
  const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  const retransmitted = security.retransmitted ? `, ${counted(security.retransmitted, "flight")} sent again` : "";
  const where = security.in_checks ? " inside ICE’s checks" : "";
  const trips = counted(security.round_trips, "round trip");
  const { local_signature: ours, remote_signature: theirs } = security;
  $("security-line").textContent = security.line;
  $("quantum").hidden = !security.post_quantum;
  describe("security-facts", {
    Records: security.cipher_suite,
    Media: security.srtp ?? "not protected, as there is none",
    Signatures: ours === theirs ? ours : `Peerless ${ours}, this browser ${theirs}`,
    Headers: security.srtp && (security.cryptex ? "encrypted (cryptex)" : "authenticated, not encrypted"),
    "This browser": security.remote_fingerprint,
    Peerless: security.local_fingerprint,
    Handshake: `${trips}, ${security.handshake_ms.toFixed(1)} ms as ${security.role}${where}${retransmitted}`,
  });
}

function describe(id, rows) {
  $(id).replaceChildren(
    ...Object.entries(rows)
      .filter(([, value]) => value)
      .map(([name, value]) => {
        const row = document.createElement("div");
        const [term, description] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = name;
        description.textContent = value;
        row.append(term, description);
        return row;
      }),
  );
}

function show(id, stream) {
  $(`${id}-video`).srcObject = stream;
  $(id).toggleAttribute("data-empty", !stream);
}

function pressed(id, on) {
  $(id).setAttribute("aria-pressed", String(on));
}

function notice(text) {
  $("notice").hidden = !text;
  $("notice").textContent = text ?? "";
}

function problem(error) {
  console.error(error);
  window.peerless.errors.push(String(error));
  notice(`The call ran into a problem: ${error.message}`);
}

/** Shows how loud a stream is, and tells tests. */
function meter(id, stream) {
  if (!stream?.getAudioTracks().length) return null;
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  context.resume().catch(() => {});
  const samples = new Float32Array(analyser.fftSize);
  const level = () => {
    analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  };
  const timer = setInterval(() => {
    const now = level();
    if (id === "returned-level") window.peerless.peakLevel = Math.max(window.peerless.peakLevel, now);
    $(id).style.transform = `scaleX(${Math.min(1, now * 5)})`;
  }, 60);
  return {
    level,
    stop() {
      clearInterval(timer);
      $(id).style.transform = "";
      context.close();
    },
  };
}

// ---- buttons and keys -------------------------------------------------------------------------

$("start").onclick = start;
$("hang-up").onclick = hangUp;
$("camera").onclick = () => setCamera($("camera").getAttribute("aria-pressed") !== "true");
$("microphone").onclick = () => {
  const on = $("microphone").getAttribute("aria-pressed") !== "true";
  for (const track of devices?.getAudioTracks() ?? []) track.enabled = on;
  pressed("microphone", on);
};
$("listen").onclick = () => {
  const on = $("listen").getAttribute("aria-pressed") !== "true";
  $("returned-video").muted = !on;
  pressed("listen", on);
};
for (const input of document.getElementsByName("mode")) input.onchange = () => setMode(input.value);
$("restart-browser").onclick = () => restart("browser");
$("restart-server").onclick = () => restart("server");
$("say").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text) say(text);
  $("text").value = "";
};
$("file").onchange = () => {
  const [file] = $("file").files;
  if (file) sendFile(file);
  $("file").value = "";
};
$("drop").ondragover = (event) => {
  event.preventDefault();
  $("drop").toggleAttribute("data-over", Boolean(files));
};
$("drop").ondragleave = () => $("drop").removeAttribute("data-over");
$("drop").ondrop = (event) => {
  event.preventDefault();
  $("drop").removeAttribute("data-over");
  const [file] = event.dataTransfer.files;
  if (file) sendFile(file);
};
window.addEventListener("pagehide", hangUp);

setInterval(async () => {
  if (!call) return;
  const sample = await figures.sample(call.pc).catch(() => null);
  if (!sample || !call) return;
  for (const [name, graph] of Object.entries(graphs)) {
    graph.push({ browser: sample[name], server: figures.server?.[name] ?? NaN });
  }
  showFacts();
}, 1000);

showState();
showMode(false);
