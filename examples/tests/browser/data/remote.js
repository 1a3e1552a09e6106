// The other end of the data channel tests, in a page that has nothing else. What a channel does is
// the first word of its label; all bulk bytes are `offset % 251`.
const PERIOD = 251, PART = 256 * 1024;
const pattern = new Uint8Array(PART + PERIOD).map((_, at) => at % PERIOD);

globalThis.remote = { channels: [] };

remote.answer = async sdp => {
  remote.pc = new RTCPeerConnection();
  remote.pc.ondatachannel = ({ channel }) => serve(channel);
  serve(remote.pc.createDataChannel('echo agreed', { negotiated: true, id: 900 }));
  await remote.pc.setRemoteDescription({ type: 'offer', sdp });
  if (remote.microphone) remote.pc.addTrack(remote.microphone);
  await remote.pc.setLocalDescription();
  while (remote.pc.iceGatheringState !== 'complete')
    await new Promise(resolve => remote.pc.onicegatheringstatechange = resolve);
  return remote.pc.localDescription.sdp;
};

// From here on answers have the sound of the microphone in them.
remote.speak = async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  [remote.microphone] = stream.getAudioTracks();
};

// What the statistics say of sound that came, and of how it is protected.
remote.statistics = async () => {
  const all = [...(await remote.pc.getStats()).values()];
  return {
    audio: all.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio'),
    transport: all.find(({ type }) => type === 'transport'),
  };
};

// Opens channels of its own, each of which says its label and waits to hear it back.
remote.open = count => {
  for (let number = 0; number < count; number += 1) {
    const channel = remote.pc.createDataChannel(`theirs ${number}`);
    remote.channels.push(channel);
    channel.onopen = () => channel.send(channel.label);
    channel.onmessage = ({ data }) => { channel.echoed = data === channel.label; };
  }
};

// Closes so many of them.
remote.close = count => remote.channels
  .filter(channel => channel.label.startsWith('theirs') && channel.readyState === 'open')
  .slice(0, count)
  .forEach(channel => channel.close());

remote.states = () => {
  const states = { echoed: 0 };
  for (const channel of remote.channels) {
    states[channel.readyState] = (states[channel.readyState] ?? 0) + 1;
    states.echoed += channel.echoed === true;
  }
  states.errors = remote.channels.flatMap(channel => channel.errors ?? []);
  return states;
};

function serve(channel) {
  remote.channels.push(channel);
  channel.errors = [];
  channel.onerror = ({ error }) => channel.errors.push(`${error.errorDetail}: ${error.message}`);
  channel.binaryType = 'arraybuffer';
  const [kind, ...words] = channel.label.split(' ');
  const actions = { echo, sink, source, describe, closer };
  actions[kind](channel, words.map(Number));
}

function echo(channel) {
  const waiting = [];
  const flush = () => {
    while (waiting.length > 0 && channel.bufferedAmount < 4 * 1024 * 1024)
      channel.send(waiting.shift());
  };
  channel.bufferedAmountLowThreshold = 1024 * 1024;
  channel.onbufferedamountlow = flush;
  channel.onmessage = ({ data }) => { waiting.push(data); flush(); };
}

// Says how many bytes were wrong, when all have come.
function sink(channel, [total]) {
  let at = 0, wrong = 0;
  channel.onmessage = ({ data }) => {
    const bytes = new Uint8Array(data), start = at % PERIOD;
    for (let index = 0; index < bytes.length; index += 1)
      wrong += bytes[index] !== pattern[start + index];
    at += bytes.length;
    if (at >= total) channel.send(JSON.stringify({ received: at, wrong }));
  };
}

function source(channel, [total]) {
  let at = 0;
  const pump = () => {
    while (at < total && channel.bufferedAmount < 4 * 1024 * 1024) {
      const len = Math.min(PART, total - at);
      channel.send(pattern.slice(at % PERIOD, at % PERIOD + len));
      at += len;
    }
  };
  channel.bufferedAmountLowThreshold = 1024 * 1024;
  channel.onbufferedamountlow = pump;
  channel.onmessage = pump;
}

function describe(channel) {
  const { label, protocol, id, negotiated, ordered, maxRetransmits, maxPacketLifeTime } = channel;
  const text = { label, protocol, id, negotiated, ordered, maxRetransmits, maxPacketLifeTime };
  channel.onmessage = () => channel.send(JSON.stringify(text));
}

// Speaks when spoken to, and closes when told to, at once, or by itself as soon as it has spoken. It
// does not begin: a busy Chromium can give a channel to the page, as one that is open, before its own
// thread of the network has opened it, and then drops what the page says.
function closer(channel, [alone]) {
  channel.onmessage = ({ data }) => {
    if (data === 'speak') channel.send('last');
    if (data === 'close' || alone) channel.close();
  };
}
