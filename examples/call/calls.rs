//! All tabs and their calls, on the thread that drives the one `Endpoint`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use peerless::{Configuration, ConnectionId, Endpoint, Event};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::call::{Call, Outcome};
use crate::figures::Figures;
use crate::log;
use crate::signalling::{FromPage, Mode, ToPage};

/// What the web server's tasks ask for.
pub(crate) enum Command {
    /// A page was opened. Its name is told, and what is said to it goes to `outbound`.
    Open { outbound: mpsc::Sender<String>, named: oneshot::Sender<TabId> },
    /// A page said something.
    Message { tab: TabId, text: String },
    /// A page's WebSocket is closed. Its call may go on for a while: perhaps only that broke.
    Gone { tab: TabId },
    /// Somebody asks what goes on.
    Status { answer: oneshot::Sender<String> },
    /// A second has gone by.
    Tick,
}

/// A page, as long as its WebSocket is open or its call lives.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct TabId(u64);

/// All tabs and their calls.
pub(crate) struct Calls {
    configuration: Configuration,
    tabs: BTreeMap<TabId, Tab>,
    opened: u64,
    /// Closed, and removed with the next tick: their last datagrams have left by then.
    closing: Vec<ConnectionId>,
    /// The last calls that ended, for `/status`.
    ended: VecDeque<Ended>,
}

struct Tab {
    name: String,
    /// `None` when the WebSocket is closed.
    outbound: Option<mpsc::Sender<String>>,
    mode: Mode,
    call: Option<Call>,
}

impl Tab {
    fn say(&mut self, message: &ToPage<'_>) {
        let Some(outbound) = &self.outbound else { return };
        // A page that has not read 256 messages is not there any more.
        if outbound.try_send(message.to_json()).is_err() {
            self.outbound = None;
        }
    }
}

impl Calls {
    pub(crate) fn new(configuration: Configuration) -> Self {
        Self {
            configuration,
            tabs: BTreeMap::new(),
            opened: 0,
            closing: Vec::new(),
            ended: VecDeque::new(),
        }
    }

    pub(crate) fn command(&mut self, endpoint: &mut Endpoint, now: Instant, command: Command) {
        match command {
            Command::Open { outbound, named } => self.open(outbound, named),
            Command::Message { tab, text } => match serde_json::from_str(&text) {
                Ok(message) => self.message(endpoint, now, tab, message),
                Err(error) => self.complain(tab, format!("not understood: {error}")),
            },
            Command::Gone { tab } => self.gone(endpoint, now, tab),
            Command::Status { answer } => {
                answer.send(self.status(endpoint)).ok();
            }
            Command::Tick => self.tick(endpoint, now),
        }
    }

    pub(crate) fn event(
        &mut self,
        endpoint: &mut Endpoint,
        now: Instant,
        connection: ConnectionId,
        event: Event,
    ) {
        let found = self.tabs.iter_mut().find_map(|(id, tab)| {
            let call = tab.call.as_mut().filter(|call| call.connection == connection)?;
            Some((*id, &mut tab.outbound, call))
        });
        let Some((id, _, call)) = found else { return };
        let Some(pc) = endpoint.connection_mut(connection) else { return };
        let outcome = call.event(pc, now, event);
        self.carry_out(endpoint, now, id, outcome);
    }

    fn open(&mut self, outbound: mpsc::Sender<String>, named: oneshot::Sender<TabId>) {
        self.opened += 1;
        let id = TabId(self.opened);
        let mut tab = Tab {
            name: name(self.opened),
            outbound: Some(outbound),
            mode: Mode::default(),
            call: None,
        };
        if self.tabs.len() >= MAX_TABS {
            tab.say(&ToPage::Error { message: format!("{MAX_TABS} tabs are open already") });
            return;
        }
        let name = tab.name.clone();
        tab.say(&ToPage::Hello { id: &name });
        if named.send(id).is_ok() {
            self.tabs.insert(id, tab);
        }
    }

    fn message(&mut self, endpoint: &mut Endpoint, now: Instant, id: TabId, message: FromPage) {
        let Some(tab) = self.tabs.get_mut(&id) else { return };
        match message {
            FromPage::Mode { mode } => {
                tab.mode = mode;
                if let Some(call) = &mut tab.call
                    && let Some(pc) = endpoint.connection_mut(call.connection)
                {
                    call.set_mode(pc, now, mode);
                }
                tab.say(&ToPage::Mode { mode });
            }
            FromPage::Bye { call } => self.bye(endpoint, now, id, call),
            FromPage::Offer { call: number, sdp } => {
                if tab.call.as_ref().is_none_or(|call| call.number != number) {
                    self.bye_to_older(endpoint, now, id, number);
                    self.start(endpoint, now, id, number);
                }
                self.in_call(endpoint, now, id, number, |call, pc| call.offer(pc, now, sdp));
            }
            FromPage::Answer { call, sdp } => {
                self.in_call(endpoint, now, id, call, |call, pc| call.answer(pc, now, sdp));
            }
            FromPage::Candidate { call, candidate } => {
                self.in_call(endpoint, now, id, call, |call, pc| {
                    call.candidate(pc, now, candidate)
                });
            }
            FromPage::Restart { call } => {
                self.in_call(endpoint, now, id, call, |call, pc| call.restart(pc, now));
            }
        }
    }

    fn start(&mut self, endpoint: &mut Endpoint, now: Instant, id: TabId, number: u64) {
        let Some(tab) = self.tabs.get_mut(&id) else { return };
        let connection = endpoint.add_connection(now, self.configuration.clone());
        tab.call = Some(Call::new(number, connection, now, tab.name.clone(), tab.mode));
        tab.say(&ToPage::Mode { mode: tab.mode });
    }

    /// Does something with the call of this number, if it still is, and then what follows from it.
    fn in_call(
        &mut self,
        endpoint: &mut Endpoint,
        now: Instant,
        id: TabId,
        number: u64,
        action: impl FnOnce(&mut Call, &mut peerless::PeerConnection) -> Vec<Outcome>,
    ) {
        let Some(tab) = self.tabs.get_mut(&id) else { return };
        let Some(call) = tab.call.as_mut().filter(|call| call.number == number) else { return };
        let Some(pc) = endpoint.connection_mut(call.connection) else { return };
        let outcome = action(call, pc);
        self.carry_out(endpoint, now, id, outcome);
    }

    fn carry_out(
        &mut self,
        endpoint: &mut Endpoint,
        now: Instant,
        id: TabId,
        outcomes: Vec<Outcome>,
    ) {
        for outcome in outcomes {
            let Some(tab) = self.tabs.get_mut(&id) else { return };
            match outcome {
                Outcome::Say(json) => {
                    let Some(outbound) = &tab.outbound else { continue };
                    if outbound.try_send(json).is_err() {
                        tab.outbound = None;
                    }
                }
                Outcome::Chat(text) => self.chat(endpoint, now, &text),
                Outcome::Closed => self.end(endpoint, now, id),
                Outcome::Failed => {
                    // An ICE restart can still save the call of a page that is there.
                    if tab.outbound.is_none() {
                        self.end(endpoint, now, id);
                    }
                }
            }
        }
    }

    /// Gives every tab what was said in one.
    fn chat(&mut self, endpoint: &mut Endpoint, now: Instant, text: &str) {
        for tab in self.tabs.values_mut() {
            let Some(call) = &mut tab.call else { continue };
            if let Some(pc) = endpoint.connection_mut(call.connection) {
                call.chat(pc, now, text);
            }
        }
    }

    fn bye(&mut self, endpoint: &mut Endpoint, now: Instant, id: TabId, number: u64) {
        let Some(tab) = self.tabs.get_mut(&id) else { return };
        if let Some(call) = tab.call.take_if(|call| call.number == number) {
            log::say(&tab.name, "hung up");
            if let Some(pc) = endpoint.connection_mut(call.connection) {
                pc.close(now);
            }
            self.closing.push(call.connection);
            self.remember(call);
        }
    }

    fn bye_to_older(&mut self, endpoint: &mut Endpoint, now: Instant, id: TabId, number: u64) {
        let older = self.tabs.get(&id).and_then(|tab| tab.call.as_ref()).map(|call| call.number);
        if let Some(older) = older.filter(|older| *older != number) {
            self.bye(endpoint, now, id, older);
        }
    }

    fn gone(&mut self, endpoint: &mut Endpoint, now: Instant, id: TabId) {
        let Some(tab) = self.tabs.get_mut(&id) else { return };
        tab.outbound = None;
        // Without a goodbye the connection finds out by itself, by the missing consent.
        if tab.call.as_ref().is_none_or(Call::is_over) {
            self.end(endpoint, now, id);
        }
    }

    /// Forgets a tab's call, and the tab too if its page is gone.
    fn end(&mut self, endpoint: &mut Endpoint, now: Instant, id: TabId) {
        let Some(tab) = self.tabs.get_mut(&id) else { return };
        let call = tab.call.take();
        if tab.outbound.is_none() {
            self.tabs.remove(&id);
        }
        if let Some(call) = call {
            endpoint.remove_connection(now, call.connection);
            self.remember(call);
        }
    }

    fn remember(&mut self, call: Call) {
        self.ended.push_back(Ended { name: call.name.clone(), states: call.states() });
        if self.ended.len() > 16 {
            self.ended.pop_front();
        }
    }

    fn tick(&mut self, endpoint: &mut Endpoint, now: Instant) {
        for connection in self.closing.drain(..) {
            endpoint.remove_connection(now, connection);
        }
        for tab in self.tabs.values_mut() {
            let Some(call) = &mut tab.call else { continue };
            let Some(pc) = endpoint.connection_mut(call.connection) else { continue };
            let (number, figures) = (call.number, Figures::new(&pc.stats(now)));
            tab.say(&ToPage::Stats { call: number, figures: &figures });
        }
    }

    fn complain(&mut self, id: TabId, message: String) {
        if let Some(tab) = self.tabs.get_mut(&id) {
            tab.say(&ToPage::Error { message });
        }
    }

    fn status(&self, endpoint: &Endpoint) -> String {
        let tabs = self.tabs.values().map(|tab| TabStatus {
            name: &tab.name,
            here: tab.outbound.is_some(),
            states: tab.call.as_ref().map(Call::states),
        });
        // Transactions are forgotten by age; nothing but time clears them.
        let (ufrags, paths, _transactions) = endpoint.routes();
        let status = Status {
            connections: endpoint.len(),
            routes: ufrags + paths,
            tabs: tabs.collect(),
            ended: self.ended.iter().collect(),
        };
        serde_json::to_string(&status).expect("nothing here has a key that is no string")
    }
}

/// The answer to `/status`.
#[derive(Serialize)]
struct Status<'a> {
    connections: usize,
    /// User fragments and paths that lead to connections.
    routes: usize,
    tabs: Vec<TabStatus<'a>>,
    ended: Vec<&'a Ended>,
}

#[derive(Serialize)]
struct TabStatus<'a> {
    name: &'a str,
    here: bool,
    states: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Ended {
    name: String,
    states: Vec<String>,
}

/// Names the tabs a1, a2, … a9, b1, …
fn name(number: u64) -> String {
    let at = number.saturating_sub(1);
    let letter = char::from(b'a' + (at / 9 % 26) as u8);
    format!("{letter}{}", at % 9 + 1)
}

/// More than anybody opens, and few enough for one thread.
const MAX_TABS: usize = 256;
