//! The game: one unit, its player, and a server that pushes it now and then.

use crate::mailbox::Line;
use core::time::Duration;
use proto_core::Instant;
use replication_proto::latency::{
    ClockConfig, ClockSync, ErrorSmoother, InputAck, InputBuffer, InputBufferStats, InputConfig,
    InputSender, LeadConfig, PredictionStats, Predictor, Reconciled, Simulation, SmoothingConfig,
    Tick, TickLead, TickRate, TimeReply, TimeRequest,
};
use testkit::{Dice, Link};

/// Ticks per second.
pub(crate) const RATE: u32 = 60;
/// What the checked-in plot was made with.
pub(crate) const SEED: u64 = 2;
const SECONDS: u64 = 20;
/// The player stands still until everything is settled.
const FIRST_MOVE: u64 = 2 * RATE as u64;
/// The client's clock began so much earlier.
const CLIENT_AHEAD: Duration = Duration::from_secs(1234);
const LINK: Link = Link {
    latency: Duration::from_millis(150),
    jitter: Duration::from_millis(10),
    loss: 50,
    ..Link::PERFECT
};

/// The errors of one tick: metres between where the client had the unit and where the server had it in that tick.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    /// If the client showed the newest state that it got.
    pub(crate) unpredicted: f32,
    /// As predicted.
    pub(crate) predicted: f32,
    /// As shown, with corrections smoothed.
    pub(crate) shown: f32,
}

/// What came of it.
pub(crate) struct Run {
    /// One for each tick from the first that the client simulated.
    pub(crate) frames: Vec<Frame>,
    pub(crate) first_tick: u64,
    /// Ticks in which the server pushed.
    pub(crate) pushes: Vec<u64>,
    pub(crate) prediction: PredictionStats,
    pub(crate) inputs: InputBufferStats,
    /// The most that the place moved from tick to tick, in metres.
    pub(crate) largest_jump: f32,
    pub(crate) largest_shown_jump: f32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Unit {
    position: [f32; 2],
    velocity: [f32; 2],
}

/// A direction in two axes, −1 to 1.
type Steering = [i64; 2];

struct Running;

impl Simulation for Running {
    type State = Unit;
    type Input = Steering;

    fn step(&self, unit: &Unit, steering: &Steering) -> Unit {
        let velocity = core::array::from_fn(|axis| {
            let wanted = 6.0 * steering[axis] as f32;
            unit.velocity[axis] + (wanted - unit.velocity[axis]) * 0.15
        });
        let position =
            core::array::from_fn(|axis| unit.position[axis] + velocity[axis] / RATE as f32);
        Unit { position, velocity }
    }

    fn differs(&self, predicted: &Unit, authoritative: &Unit) -> bool {
        distance(predicted.position, authoritative.position) > 0.001
    }
}

struct Server {
    rate: TickRate,
    tick: Tick,
    unit: Unit,
    inputs: InputBuffer<Steering>,
    dice: Dice,
    truth: Vec<[f32; 2]>,
    pushes: Vec<u64>,
}

impl Server {
    fn new(seed: u64, rate: TickRate) -> Self {
        Self {
            rate,
            tick: Tick::ZERO,
            unit: Unit::default(),
            inputs: InputBuffer::new(InputConfig::new(), rate).expect("defaults are in bounds"),
            dice: Dice::new(seed).part(b"pushes"),
            truth: Vec::new(),
            pushes: Vec::new(),
        }
    }

    fn run(&mut self, line: &mut Line) {
        for (at, message) in line.receive(line.server) {
            match message[..] {
                [client_sent] => {
                    let reply = TimeRequest { client_sent }.answer(at, line.now());
                    let reply = [reply.client_sent, reply.server_received, reply.server_sent];
                    line.send(line.server, &reply);
                }
                [first, ref inputs @ ..] => {
                    let inputs = inputs.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
                    self.inputs.insert(at, first, inputs);
                }
                [] => {}
            }
        }
        while self.rate.time_of(self.tick) <= line.now() {
            self.simulate(line.now());
            let message = self.message();
            line.send(line.server, &message);
            self.tick = self.tick.next();
        }
    }

    fn simulate(&mut self, now: Instant) {
        let steering = self.inputs.consume(now, self.tick).input();
        self.unit = Running.step(&self.unit, &steering.unwrap_or_default());
        // What nobody can predict.
        if self.tick.number() > FIRST_MOVE && self.dice.chance(6) {
            let side = if self.dice.chance(500) { 9.0 } else { -9.0 };
            self.unit.velocity[0] += side;
            self.pushes.push(self.tick.number());
        }
        self.truth.push(self.unit.position);
    }

    fn message(&mut self) -> [i64; 8] {
        let ack = self.inputs.acknowledge();
        let Unit { position, velocity } = self.unit;
        let [px, py, vx, vy] = [position[0], position[1], velocity[0], velocity[1]]
            .map(|number| i64::from(number.to_bits()));
        let (tick, consumed) = (self.tick.to_wire(), ack.consumed);
        [
            tick,
            consumed,
            ack.margin_tick,
            ack.margin_micros,
            px,
            py,
            vx,
            vy,
        ]
    }
}

struct Client {
    rate: TickRate,
    clock: ClockSync,
    lead: Option<TickLead>,
    inputs: InputSender<Steering>,
    predictor: Option<Predictor<Running>>,
    smoother: ErrorSmoother<[f32; 2]>,
    newest: Unit,
    dice: Dice,
    steering: Steering,
    /// Of each predicted tick: unpredicted, predicted and shown place.
    seen: Vec<(Tick, [[f32; 2]; 3])>,
}

impl Client {
    fn new(seed: u64, rate: TickRate) -> Self {
        let smoothing = SmoothingConfig::new();
        Self {
            rate,
            clock: ClockSync::new(ClockConfig::new()).expect("defaults are in bounds"),
            lead: None,
            inputs: InputSender::new(InputConfig::new()).expect("defaults are in bounds"),
            predictor: None,
            smoother: ErrorSmoother::new(smoothing).expect("defaults are in bounds"),
            newest: Unit::default(),
            dice: Dice::new(seed).part(b"steering"),
            steering: [0, 0],
            seen: Vec::new(),
        }
    }

    fn run(&mut self, line: &mut Line) {
        let now = line.now() + CLIENT_AHEAD;
        if let Some(request) = self.clock.poll_request(now) {
            line.send(line.client, &[request.client_sent]);
        }
        for (at, message) in line.receive(line.client) {
            match message[..] {
                [client_sent, server_received, server_sent] => {
                    let reply = TimeReply {
                        client_sent,
                        server_received,
                        server_sent,
                    };
                    let _ = self.clock.handle_reply(at + CLIENT_AHEAD, reply);
                }
                [tick, consumed, margin_tick, margin_micros, ref unit @ ..] => {
                    let ack = InputAck {
                        consumed,
                        margin_tick,
                        margin_micros,
                    };
                    self.on_state(now, tick, &ack, unit);
                }
                _ => {}
            }
        }
        self.simulate(now, line);
    }

    fn on_state(&mut self, now: Instant, tick: i64, ack: &InputAck, unit: &[i64]) {
        self.inputs.handle_ack(ack);
        if let Some(lead) = &mut self.lead {
            lead.handle_ack(ack);
        }
        let number = |at: usize| f32::from_bits(u32::try_from(unit[at]).unwrap_or_default());
        let unit = Unit {
            position: [number(0), number(1)],
            velocity: [number(2), number(3)],
        };
        let Some(tick) = Tick::from_wire(tick) else {
            return;
        };
        let predictor = self.predictor.get_or_insert_with(|| {
            Predictor::new(Running, 128, tick, unit).expect("the capacity is in bounds")
        });
        let verdict = predictor.reconcile(tick, unit);
        if verdict != Reconciled::Stale {
            self.newest = unit;
        }
        if let Reconciled::Corrected { before, .. } = verdict {
            let after = predictor.state().position;
            self.smoother.correct(now, before.position, after);
        }
    }

    fn simulate(&mut self, now: Instant, line: &mut Line) {
        let (Some(quality), Some(server_time)) =
            (self.clock.quality(), self.clock.server_time(now))
        else {
            return;
        };
        let Some(predictor) = &mut self.predictor else {
            return;
        };
        let lead = self.lead.get_or_insert_with(|| {
            let initial = quality.round_trip / 2 + 2 * quality.jitter + self.rate.interval();
            TickLead::new(LeadConfig::new(), self.rate, initial).expect("defaults are in bounds")
        });
        for tick in lead.due(now, server_time) {
            if tick.number() >= FIRST_MOVE && self.dice.chance(40) {
                let mut axis = || i64::try_from(self.dice.below(3)).unwrap_or_default() - 1;
                self.steering = [axis(), axis()];
            }
            self.inputs.push(tick, self.steering);
            let predicted = predictor.predict(tick, self.steering).position;
            let shown = self.smoother.show(now, predicted);
            let places = [self.newest.position, predicted, shown];
            self.seen.push((tick, places));
            if let Some(packet) = self.inputs.packet() {
                let mut message = vec![packet.first.to_wire()];
                message.extend(packet.inputs.iter().flatten());
                line.send(line.client, &message);
            }
        }
    }
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    let [x, y] = [a[0] - b[0], a[1] - b[1]];
    (x * x + y * y).sqrt()
}

/// Plays for twenty seconds.
pub(crate) fn run(seed: u64) -> Run {
    let rate = TickRate::new(RATE).expect("the rate is in bounds");
    let mut line = Line::new(seed, LINK);
    let mut server = Server::new(seed, rate);
    let mut client = Client::new(seed, rate);
    while line.now() < Instant::from_millis(1000 * SECONDS) {
        server.run(&mut line);
        client.run(&mut line);
        line.run_for(Duration::from_millis(1));
    }
    judge(&server, &client)
}

fn judge(server: &Server, client: &Client) -> Run {
    let mut frames = Vec::new();
    for (tick, places) in &client.seen {
        let at = usize::try_from(tick.number()).unwrap_or(usize::MAX);
        let Some(&truth) = server.truth.get(at) else {
            break;
        };
        let [unpredicted, predicted, shown] = places.map(|place| distance(place, truth));
        frames.push(Frame {
            unpredicted,
            predicted,
            shown,
        });
    }
    let jump = |which: usize| {
        let steps = client.seen.windows(2);
        let jumps = steps.map(|pair| distance(pair[0].1[which], pair[1].1[which]));
        jumps.fold(0.0, f32::max)
    };
    Run {
        frames,
        first_tick: client.seen.first().map_or(0, |&(tick, _)| tick.number()),
        pushes: server.pushes.clone(),
        prediction: client
            .predictor
            .as_ref()
            .map_or_else(PredictionStats::default, Predictor::stats),
        inputs: server.inputs.stats(),
        largest_jump: jump(1),
        largest_shown_jump: jump(2),
    }
}
