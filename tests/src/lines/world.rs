//! The events of a line and of all who are on it, in order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use bytes::BytesMut;

use super::MS;
use super::carrier::{Framing, Socket};
use super::host::Host;
use super::line::{Line, Segment};
use super::tcp::{Cubic, Flow, Window};

/// How often a slow reader reads.
const READS: u64 = 10 * MS;
/// How often there is an urgent message. No multiple of what anything else here does.
const URGENT: u64 = 97 * MS;

#[derive(Debug)]
enum Event {
    /// The link of that direction is done with a segment.
    Sent(usize),
    Arrived(Segment),
    /// The segment's sender knows that it arrived.
    Acked(Segment),
    /// A host is to be woken.
    Due(usize),
    /// An urgent message is to be sent by a host.
    Urgent(usize),
    /// A host's application may read on.
    Read(usize, i64),
}

/// At a time, in the order of their planning.
struct Planned(u64, u64, Event);

impl PartialEq for Planned {
    fn eq(&self, other: &Planned) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Planned) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Planned) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// What a flow carries: packets from one host to another, or nothing that anybody reads.
#[derive(Default)]
struct Packets {
    /// Each with the byte of its flow behind it.
    queue: VecDeque<(u64, Vec<u8>)>,
    /// Bytes of all packets ever queued.
    written: u64,
}

/// A line and all who are on it. Hosts come in pairs: an even one sends to the odd one behind it, over the first direction; flow and
/// host have the same number. Flows beyond the hosts are plain streams.
pub(super) struct World {
    pub(super) now: u64,
    planned: BinaryHeap<Reverse<Planned>>,
    order: u64,
    pub(super) lines: [Line; 2],
    flows: Vec<Flow>,
    /// Which flow of a direction is asked first for a segment.
    turns: [usize; 2],
    pub(super) hosts: Vec<Host>,
    packets: Vec<Packets>,
    framing: Framing,
    socket: Socket,
    /// When urgent messages that have not arrived were to be sent, by pair of hosts.
    urgent: Vec<VecDeque<u64>>,
    /// From when on what happens is counted.
    since: u64,
    waited: Vec<u64>,
    latencies: Vec<u64>,
    spare: Vec<u8>,
}

impl World {
    pub(super) fn new(lines: [Line; 2], framing: Framing, socket: Socket) -> World {
        World {
            now: 0,
            planned: BinaryHeap::new(),
            order: 0,
            lines,
            flows: Vec::new(),
            turns: [0; 2],
            hosts: Vec::new(),
            packets: Vec::new(),
            framing,
            socket,
            urgent: Vec::new(),
            since: 0,
            waited: Vec::new(),
            latencies: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Two hosts that have a connection from now on. `windowed`: its TCP has a congestion window. `reads`: bytes a second.
    pub(super) fn add_session(&mut self, client: Host, server: Host, windowed: bool, reads: Option<u64>) {
        assert_eq!(self.hosts.len(), self.flows.len(), "plain streams come last");
        let first = self.hosts.len();
        for host in [client, server] {
            self.hosts.push(host);
            let window = if windowed {
                Window::Cubic(Cubic::new())
            } else {
                Window::Unlimited
            };
            self.flows.push(Flow::new(window, self.socket.is_relay()));
            self.packets.push(Packets::default());
        }
        self.urgent.push(VecDeque::new());
        self.turn(first);
        self.plan(URGENT, Event::Urgent(first));
        if let Some(bytes) = reads.filter(|bytes| *bytes > 0) {
            let bytes = i64::try_from(bytes * READS / super::SECOND).unwrap_or(i64::MAX);
            self.plan(READS, Event::Read(first + 1, bytes));
        }
    }

    /// A plain stream in the first direction.
    pub(super) fn add_stream(&mut self) {
        self.flows.push(Flow::greedy());
        self.packets.push(Packets::default());
        self.pump(0);
    }

    /// Counts from now on.
    pub(super) fn reset(&mut self) {
        self.since = self.now;
        self.waited.clear();
        self.latencies.clear();
    }

    /// How long each segment of sessions waited, and each urgent message took; those that have not arrived took until now.
    pub(super) fn take_samples(&mut self) -> (Vec<u64>, Vec<u64>) {
        let (now, since) = (self.now, self.since);
        let missing = self.urgent.iter().flatten().filter(|sent| **sent >= since);
        self.latencies.extend(missing.map(|sent| now - sent));
        (std::mem::take(&mut self.waited), std::mem::take(&mut self.latencies))
    }

    /// Bytes that a flow has carried.
    pub(super) fn carried(&self, flow: usize) -> u64 {
        self.flows[flow].arrived
    }

    pub(super) fn run_until(&mut self, end: u64) {
        while self.planned.peek().is_some_and(|Reverse(next)| next.0 <= end) {
            let Some(Reverse(Planned(at, _, event))) = self.planned.pop() else {
                break;
            };
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    fn plan(&mut self, after: u64, event: Event) {
        self.plan_at(self.now + after, event);
    }

    fn plan_at(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.planned.push(Reverse(Planned(at, self.order, event)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Sent(direction) => {
                if let Some((segment, arrives)) = self.lines[direction].finish(self.now) {
                    self.plan_at(arrives, Event::Arrived(segment));
                }
                self.pump(direction);
                self.wake_writers();
            }
            Event::Arrived(segment) => self.arrive(segment),
            Event::Acked(segment) => {
                self.flows[segment.flow].on_acked(self.now, &segment);
                self.pump(self.direction(segment.flow));
                self.wake_writers();
            }
            Event::Due(host) => {
                if self.hosts[host].due.take_if(|due| *due <= self.now).is_some() {
                    self.hosts[host].timeout(self.now);
                    self.turn(host);
                }
            }
            Event::Urgent(host) => {
                self.hosts[host].say();
                self.urgent[host / 2].push_back(self.now);
                self.plan(URGENT, Event::Urgent(host));
                self.turn(host);
            }
            Event::Read(host, bytes) => {
                self.hosts[host].allow(bytes);
                self.plan(READS, Event::Read(host, bytes));
                self.turn(host);
            }
        }
    }

    fn direction(&self, flow: usize) -> usize {
        if flow < self.hosts.len() { flow % 2 } else { 0 }
    }

    /// Whom a flow goes to.
    fn receiver(&self, flow: usize) -> Option<usize> {
        (flow < self.hosts.len()).then_some(flow ^ 1)
    }

    fn arrive(&mut self, segment: Segment) {
        let flow = segment.flow;
        self.flows[flow].arrived += segment.payload;
        if self.flows[flow].is_windowed() {
            // Acknowledgements of TCP wait for nothing.
            let back = self.lines[1 - self.direction(flow)].delay;
            self.plan(back, Event::Acked(segment));
        }
        let Some(receiver) = self.receiver(flow) else { return };
        let mut arrived = false;
        while self.packets[flow]
            .queue
            .front()
            .is_some_and(|(end, _)| *end <= self.flows[flow].arrived)
        {
            let Some((_, packet)) = self.packets[flow].queue.pop_front() else {
                break;
            };
            self.hosts[receiver].input(self.now, BytesMut::from(&packet[..]));
            self.spare = packet;
            arrived = true;
        }
        if arrived {
            self.turn(receiver);
        }
    }

    /// Everything that a host does when it is awake.
    fn turn(&mut self, host: usize) {
        let heard = self.hosts[host].work(self.now);
        for _ in 0..heard {
            let Some(sent) = self.urgent[host / 2].pop_front() else {
                break;
            };
            if sent >= self.since {
                self.latencies.push(self.now - sent);
            }
        }
        self.transmit(host);
        if let Some(deadline) = self.hosts[host].deadline() {
            let deadline = deadline.max(self.now);
            if self.hosts[host].due.is_none_or(|due| deadline < due) {
                self.hosts[host].due = Some(deadline);
                self.plan_at(deadline, Event::Due(host));
            }
        }
    }

    /// Asks the machine for packets while the socket takes them.
    fn transmit(&mut self, host: usize) {
        loop {
            let mut packed = false;
            self.hosts[host].waits_for_socket = true;
            while self.socket.takes_more(self.flows[host].unsent()) {
                let mut packet = std::mem::take(&mut self.spare);
                packet.clear();
                if !self.hosts[host].packet(self.now, &mut packet) {
                    self.spare = packet;
                    self.hosts[host].waits_for_socket = false;
                    break;
                }
                packed = true;
                let bytes = packet.len() as u64 + self.framing.overhead(packet.len(), host.is_multiple_of(2));
                self.flows[host].write(self.now, bytes);
                let packets = &mut self.packets[host];
                packets.written += bytes;
                packets.queue.push_back((packets.written, packet));
            }
            self.pump(self.direction(host));
            if !packed || !self.hosts[host].waits_for_socket {
                break;
            }
        }
    }

    /// Hosts whose sockets have room again.
    fn wake_writers(&mut self) {
        for host in 0..self.hosts.len() {
            if self.hosts[host].waits_for_socket && self.socket.takes_more(self.flows[host].unsent()) {
                self.turn(host);
            }
        }
    }

    /// Lets flows of that direction send segments in turns while the queue has room.
    fn pump(&mut self, direction: usize) {
        let count = self.flows.len();
        let mut idle = 0;
        while idle < count {
            self.begin(direction);
            let flow = self.turns[direction] % count;
            self.turns[direction] = flow + 1;
            if self.direction(flow) != direction || !self.flows[flow].may_send() {
                idle += 1;
                continue;
            }
            if !self.lines[direction].has_room() {
                self.flows[flow].on_full(self.now);
                // It is the first that sends when there is room.
                self.turns[direction] = flow;
                return;
            }
            idle = 0;
            let segment = self.flows[flow].send(self.now, flow);
            self.lines[direction].push(segment);
        }
        self.begin(direction);
    }

    /// Has the link begin with the next segment, if it is free.
    fn begin(&mut self, direction: usize) {
        let Some((segment, done)) = self.lines[direction].begin(self.now) else {
            return;
        };
        self.plan_at(done, Event::Sent(direction));
        if direction == 0 && segment.flow < self.hosts.len() {
            self.waited.push(self.now - segment.since);
        }
    }
}
