//! The program calls itself: our peer takes the page's place, over real UDP sockets on loopback.
//!
//! The other side is the program as it always is: its calls, its echo, its driver, on a thread of
//! its own. Only the web server is left out; the same JSON goes through a channel.

use std::{
    collections::VecDeque,
    error::Error,
    io::{IsTerminal, Write},
    thread,
    time::Duration,
};

use bytes::Bytes;
use peerless::driver::{Blocking, Waker};
use peerless::media::transceiver::TransceiverInit;
use peerless::{
    Configuration, ConnectionId, ConnectionState, DataChannelId, DataChannelInit, Endpoint, Event,
    Frame, IceCandidate, MediaKind, Message, Origin, PeerConnection, Readable, SessionDescription,
    TransceiverId,
};
use peerless_examples::media::{self, Sample};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::calls::{Command, TabId};
use crate::figures;
use crate::signalling::{Candidate, Mode};
use crate::{drive, now};

/// Runs the test, says how it went, and fails if anything was not as it should be.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    println!("   peerless call · two of our peers over UDP on this machine\n");
    let (program, stop, server) = start_program()?;
    let mut page = Page::new(program)?;

    let took = page.connect()?;
    let facts = figures::facts(page.pc()?, now(), took);
    report("connected", &format!("in {:.1} ms · {}", millis(took), facts.line()));

    let mut failed = Vec::new();
    for (mode, name) in [(Mode::Frames, "frames"), (Mode::Packets, "packets")] {
        page.choose(mode)?;
        let [video, audio] = page.stream()?;
        let figures = page.figures()?;
        report(name, &format!("{video} pictures, {audio} sounds back, identical · {figures}"));
        failed.extend([&video, &audio].iter().filter(|back| !back.all()).map(|_| name));
    }

    let took = page.transfer()?;
    let rate = DATA as f64 / took.as_secs_f64() / 1e6;
    report(
        "data",
        &format!(
            "{} MB there and back in {:.2} s, identical: {rate:.0} MB/s each way at once",
            DATA / 1_000_000,
            took.as_secs_f64()
        ),
    );

    page.say(&json!({ "type": "bye", "call": CALL }));
    let left = page.left_behind()?;
    report("goodbye", &format!("{left} connections left behind"));
    if left != 0 {
        failed.push("goodbye");
    }

    stop.stop();
    server.join().map_err(|_| "the other side panicked")??;
    if failed.is_empty() {
        println!("\n   passed");
        return Ok(());
    }
    Err(format!("not passed: {}", failed.join(", ")).into())
}

type Server = thread::JoinHandle<Result<(), std::io::Error>>;

/// Starts the program's own side, and opens a tab there.
fn start_program() -> Result<(Program, Waker, Server), Box<dyn Error>> {
    let driver = Blocking::bind("127.0.0.1:0".parse()?)?;
    let waker = driver.waker();
    let (commands, asked) = mpsc::channel(1024);
    let server = thread::Builder::new()
        .name("program".to_owned())
        .spawn(move || drive(driver, asked, Configuration::default()))?;
    let (outbound, inbox) = mpsc::channel(256);
    let (named, name) = oneshot::channel();
    commands.blocking_send(Command::Open { outbound, named })?;
    waker.wake();
    let tab = name.blocking_recv()?;
    Ok((Program { commands, waker: waker.clone(), inbox, tab }, waker, server))
}

/// The program, seen from a page.
struct Program {
    commands: mpsc::Sender<Command>,
    waker: Waker,
    inbox: mpsc::Receiver<String>,
    tab: TabId,
}

/// What the program says, as far as it matters here.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum FromProgram {
    Answer {
        sdp: String,
    },
    Candidate {
        candidate: Option<Candidate>,
    },
    Mode {
        mode: Mode,
    },
    Error {
        message: String,
    },
    #[serde(other)]
    Other,
}

/// Our peer in the page's place.
struct Page {
    program: Program,
    driver: Blocking,
    endpoint: Endpoint,
    id: ConnectionId,
    audio: TransceiverId,
    video: TransceiverId,
    file: DataChannelId,
    state: ConnectionState,
    open: bool,
    /// What the program has said that it echoes.
    mode: Option<Mode>,
    /// How long media were sent: time stamps go on from one round to the next, as a camera's would.
    streamed: Duration,
    /// What came back.
    frames: VecDeque<(TransceiverId, Bytes)>,
    messages: VecDeque<Message>,
}

impl Page {
    fn new(program: Program) -> Result<Self, Box<dyn Error>> {
        let driver = Blocking::bind("127.0.0.1:0".parse()?)?;
        let mut endpoint = Endpoint::new(Origin::system());
        for address in driver.local_addresses() {
            endpoint.add_local_address(address);
        }
        let id = endpoint.add_connection(now(), Configuration::default());
        let pc = endpoint.connection_mut(id).ok_or("no connection")?;
        let audio = pc.add_transceiver(now(), MediaKind::Audio, TransceiverInit::send_recv())?;
        let video = pc.add_transceiver(now(), MediaKind::Video, TransceiverInit::send_recv())?;
        let file = pc.create_data_channel(now(), "file", DataChannelInit::default())?;
        Ok(Self {
            program,
            driver,
            endpoint,
            id,
            audio,
            video,
            file,
            state: ConnectionState::New,
            open: false,
            mode: None,
            streamed: Duration::ZERO,
            frames: VecDeque::new(),
            messages: VecDeque::new(),
        })
    }

    fn pc(&mut self) -> Result<&mut PeerConnection, &'static str> {
        self.endpoint.connection_mut(self.id).ok_or("the connection is gone")
    }

    fn say(&self, message: &Value) {
        let command = Command::Message { tab: self.program.tab, text: message.to_string() };
        // The program only ends when we tell it to.
        self.program.commands.blocking_send(command).ok();
        self.program.waker.wake();
    }

    /// Offers, and waits until the call is up. Returns how long that took.
    fn connect(&mut self) -> Result<Duration, Box<dyn Error>> {
        let start = now();
        let pc = self.pc()?;
        pc.set_local_description(now(), None)?;
        let offer = pc.local_description().ok_or("no offer")?;
        self.say(&json!({ "type": "offer", "call": CALL, "sdp": offer.sdp }));
        let mut took = None;
        while !self.open || took.is_none() {
            self.turn(Duration::from_millis(1))?;
            if self.state == ConnectionState::Connected {
                took.get_or_insert_with(|| now() - start);
            }
            if now() - start > Duration::from_secs(10) {
                return Err(format!("not connected after 10 s, but {}", self.state).into());
            }
        }
        Ok(took.unwrap_or_default())
    }

    /// Has the program echo frames or packets, and waits until it does: what is on its way at the
    /// change is lost.
    fn choose(&mut self, mode: Mode) -> Result<(), Box<dyn Error>> {
        let start = now();
        self.say(&json!({ "type": "mode", "mode": mode }));
        self.mode = None;
        while self.mode != Some(mode) {
            self.turn(Duration::from_millis(1))?;
            if now() - start > Duration::from_secs(10) {
                return Err(format!("no {mode:?} after 10 s").into());
            }
        }
        Ok(())
    }

    /// Sends the samples in real time and compares what comes back: video, audio.
    fn stream(&mut self) -> Result<[Returned; 2], Box<dyn Error>> {
        let video = media::read_ivf(VIDEO).ok_or("the video sample cannot be read")?;
        let audio = media::read_ogg_opus(AUDIO).ok_or("the audio sample cannot be read")?;
        let mut due: Vec<(TransceiverId, u32, Sample)> = Vec::new();
        due.extend(video.into_iter().map(|sample| (self.video, 90_000, sample)));
        due.extend(audio.into_iter().map(|sample| (self.audio, 48_000, sample)));
        due.sort_by_key(|(_, _, sample)| sample.time);

        let start = now();
        let (mut pictures, mut sounds) = (Returned::default(), Returned::default());
        let mut due = due.into_iter().peekable();
        let mut last_sent = start;
        loop {
            while let Some((id, clock_rate, sample)) =
                due.next_if(|(_, _, sample)| sample.time <= now() - start)
            {
                let ticks = (self.streamed + sample.time).as_nanos() * u128::from(clock_rate);
                let mut frame = Frame::new(sample.data.clone(), (ticks / 1_000_000_000) as u32);
                frame.captured = Some(now());
                let mut sender = self.pc()?.sender(id).ok_or("no sender")?;
                sender.send_frame(now(), frame)?;
                let returned = if id == self.audio { &mut sounds } else { &mut pictures };
                returned.sent(sample.data);
                last_sent = now();
            }
            self.turn(Duration::from_millis(2))?;
            while let Some((id, frame)) = self.frames.pop_front() {
                let returned = if id == self.audio { &mut sounds } else { &mut pictures };
                returned.back(&frame);
            }
            let all = due.peek().is_none() && pictures.all() && sounds.all();
            if all || now() - last_sent > Duration::from_secs(2) {
                self.streamed += now() - start;
                return Ok([pictures, sounds]);
            }
        }
    }

    /// Sends data and compares what comes back, with a progress bar. Returns how long that took.
    fn transfer(&mut self) -> Result<Duration, Box<dyn Error>> {
        let start = now();
        let (mut sent, mut back) = (0, 0);
        let mut bar = Bar::new();
        let mut last = start;
        while back < DATA {
            while sent < DATA {
                let file = self.file;
                let mut channel = self.pc()?.data_channel(file).ok_or("the channel is closed")?;
                if channel.buffered_amount() > 1_000_000 {
                    break;
                }
                let message = piece(sent);
                sent += message.len();
                channel.send(now(), message)?;
            }
            self.turn(Duration::from_millis(10))?;
            while let Some(message) = self.messages.pop_front() {
                if message.data() != &piece(back) {
                    bar.end();
                    return Err(format!("byte {back} and what follows came back different").into());
                }
                back += message.data().len();
                last = now();
            }
            bar.show(sent as f64 / DATA as f64, back as f64 / DATA as f64);
            if now() - last > Duration::from_secs(10) {
                bar.end();
                return Err(format!("the data stopped at byte {back}").into());
            }
        }
        bar.end();
        Ok(now() - start)
    }

    /// Drives the connection for a moment, and the signalling beside it.
    fn turn(&mut self, at_most: Duration) -> Result<(), Box<dyn Error>> {
        while let Ok(json) = self.program.inbox.try_recv() {
            let pc = self.endpoint.connection_mut(self.id).ok_or("the connection is gone")?;
            match serde_json::from_str(&json)? {
                FromProgram::Answer { sdp } => {
                    pc.set_remote_description(now(), SessionDescription::answer(sdp))?;
                }
                FromProgram::Candidate { candidate: Some(candidate) } => {
                    pc.add_ice_candidate(now(), candidate.into())?;
                }
                FromProgram::Candidate { candidate: None } => {
                    pc.add_ice_candidate(now(), IceCandidate::default())?;
                }
                FromProgram::Mode { mode } => self.mode = Some(mode),
                FromProgram::Error { message } => return Err(message.into()),
                FromProgram::Other => {}
            }
        }
        let mut events = Vec::new();
        self.driver.turn(&mut self.endpoint, Some(at_most), |_, _, event| events.push(event))?;
        for event in events {
            self.event(event)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), Box<dyn Error>> {
        match event {
            Event::IceCandidate(candidate) => {
                let candidate = Candidate::from(candidate);
                let candidate = Some(candidate).filter(|it| !it.candidate.is_empty());
                let message = json!({ "type": "candidate", "call": CALL, "candidate": candidate });
                self.say(&message);
            }
            Event::ConnectionStateChange(state) => {
                self.state = state;
                if state == ConnectionState::Failed {
                    let reason = self.pc()?.failure_reason().map(ToString::to_string);
                    return Err(reason.unwrap_or_default().into());
                }
            }
            Event::DataChannelOpen(_) => self.open = true,
            Event::Readable(Readable::Channel(id)) => {
                while let Some(message) =
                    self.pc()?.data_channel(id).and_then(|mut channel| channel.read())
                {
                    self.messages.push_back(message);
                }
            }
            Event::Readable(Readable::Receiver(id)) => {
                while let Some(frame) =
                    self.pc()?.receiver(id).and_then(|mut receiver| receiver.read_frame(now()))
                {
                    self.frames.push_back((id, frame.data));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Our statistics in a line.
    fn figures(&mut self) -> Result<String, &'static str> {
        let report = self.pc()?.stats(now());
        let round_trip = report.transports.first().and_then(|it| it.round_trip_time);
        let jitter = report.inbound_rtp.iter().map(|stream| stream.local.jitter).max();
        let lost: i64 = report.inbound_rtp.iter().map(|stream| stream.local.packets_lost).sum();
        Ok(format!(
            "round trip {:.2} ms, jitter {:.2} ms, {lost} lost",
            millis(round_trip.unwrap_or_default()),
            millis(jitter.unwrap_or_default()),
        ))
    }

    /// How many connections the program still has, a while after our goodbye.
    fn left_behind(&mut self) -> Result<u64, Box<dyn Error>> {
        let start = now();
        loop {
            self.program.commands.blocking_send(Command::Tick)?;
            let (answer, status) = oneshot::channel();
            self.program.commands.blocking_send(Command::Status { answer })?;
            self.program.waker.wake();
            let status: Value = serde_json::from_str(&status.blocking_recv()?)?;
            let left = status.get("connections").and_then(Value::as_u64).unwrap_or(u64::MAX);
            if left == 0 || now() - start > Duration::from_secs(5) {
                return Ok(left);
            }
            self.turn(Duration::from_millis(50))?;
        }
    }
}

/// Frames that went out, and which of them came back the same.
#[derive(Debug, Default)]
struct Returned {
    waiting: VecDeque<Bytes>,
    sent: usize,
    back: usize,
}

impl Returned {
    fn sent(&mut self, frame: Bytes) {
        self.waiting.push_back(frame);
        self.sent += 1;
    }

    fn back(&mut self, frame: &Bytes) {
        // Those before it that are missing will not come any more.
        if let Some(place) = self.waiting.iter().position(|sent| sent == frame) {
            self.waiting.drain(..=place);
            self.back += 1;
        }
    }

    const fn all(&self) -> bool {
        self.back == self.sent
    }
}

impl std::fmt::Display for Returned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.back, self.sent)
    }
}

/// The data from a place on, no piece like another.
fn piece(at: usize) -> Vec<u8> {
    let len = PIECE.min(DATA - at);
    let mut state = at as u64 | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // Marsaglia's xorshift: as irregular as it has to be, and fast.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A progress bar on a terminal, and nothing in a file.
struct Bar {
    terminal: bool,
    shown: usize,
}

impl Bar {
    fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), shown: usize::MAX }
    }

    fn show(&mut self, sent: f64, back: f64) {
        let (sent, back) = ((sent * WIDTH) as usize, (back * WIDTH) as usize);
        if !self.terminal || self.shown == sent + back {
            return;
        }
        self.shown = sent + back;
        let bar: String = (0..WIDTH as usize)
            .map(|at| {
                if at < back {
                    '█'
                } else if at < sent {
                    '▒'
                } else {
                    '·'
                }
            })
            .collect();
        print!("\r   data       {bar}");
        std::io::stdout().flush().ok();
    }

    fn end(&self) {
        if self.terminal {
            print!("\r\x1b[K");
        }
    }
}

fn report(what: &str, how: &str) {
    println!("   {what:<10} {how}");
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The page's number of its first call.
const CALL: u64 = 1;

/// How much data is sent, and in what pieces.
const DATA: usize = 64_000_000;
const PIECE: usize = 64 * 1024;

/// Of the progress bar, in characters.
const WIDTH: f64 = 48.0;

const VIDEO: &[u8] = include_bytes!("../media/vp8.ivf");
const AUDIO: &[u8] = include_bytes!("../media/opus.ogg");
