//! How many requests may be under way to one host: additive increase, multiplicative decrease, as
//! TCP has it (RFC 5681), judged by rounds. A round is as many good answers as requests may be under
//! way. Pure; nothing here waits.
//!
//! A quick round earns twice as many, from the second in a row, while the host has never complained;
//! then each earns one more. They are taken when they are needed. Half as many, at once, after a 429 or a 503. A quarter fewer after
//! each round of slow answers from the second in a row: that may be this machine, so half of the
//! first width always stays.

use std::time::Duration;
use tokio::time::Instant;

/// Requests to a host that nothing is known of, and the most to one that has answered 429.
const FIRST: usize = 16;
/// What slow answers leave.
const LEAST_WHEN_SLOW: usize = FIRST / 2;
/// Rounds in a row that count. One slow round may have opened connections; and a host that takes so
/// many requests in a second mostly says so before it has answered two quick ones.
const IN_A_ROW: u32 = 2;

/// An answer, as far as the width depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) status: u16,
    /// When its request was sent.
    pub(super) began: Instant,
    /// How long a read took the host itself. A write takes as long as it needs, and says nothing.
    pub(super) took: Option<Duration>,
}

impl Heard {
    /// Whether the host does what it is asked, or says why it does not.
    pub(super) fn is_willing(self) -> bool {
        !matches!(self.status, 429 | 500..)
    }
}

/// The requests to a host when an answer is heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) under_way: usize,
    pub(super) in_line: usize,
    /// Whether the host failed a moment ago: what was under way together fails once.
    pub(super) is_down: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Quick,
    Neither,
    Slow,
}

impl Pace {
    /// Of a round whose median is `now`, where the lowest was `lowest`. It takes both a factor and a
    /// time, so that neither a near host that needs a moment nor a far one that varies is slow.
    fn of(now: Duration, lowest: Duration) -> Self {
        if now <= 2 * lowest + Duration::from_millis(50) {
            Self::Quick
        } else if now > 4 * lowest && now > lowest + Duration::from_millis(250) {
            Self::Slow
        } else {
            Self::Neither
        }
    }
}

/// The width of one host.
#[derive(Debug)]
pub(super) struct Width {
    now: usize,
    most: usize,
    /// Whether it was ever narrowed.
    is_careful: bool,
    narrowed_at: Option<Instant>,
    /// Good answers of this round, and how long the reads among them took.
    answers: usize,
    reads: Vec<Duration>,
    /// Lowest median of a round.
    lowest: Option<Duration>,
    pace: Pace,
    /// Rounds in a row that had this pace.
    in_a_row: u32,
    /// Most requests under way in this round.
    fullest: usize,
    /// After a quick round: so many in line make it wider.
    widens_at: Option<usize>,
    /// What it will be after another quick round, until that was told.
    soon: Option<usize>,
}

impl Width {
    /// Of a host that nothing is known of; `most`: of requests to all hosts.
    pub(super) fn new(most: usize) -> Self {
        Self {
            now: FIRST.min(most),
            most,
            is_careful: false,
            narrowed_at: None,
            answers: 0,
            reads: Vec::new(),
            lowest: None,
            pace: Pace::Quick,
            in_a_row: 0,
            fullest: 0,
            widens_at: None,
            soon: None,
        }
    }

    /// Requests that may be under way.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// Requests that may be under way after another round like the last, told once: connections for
    /// them can be opened meanwhile.
    pub(super) fn soon(&mut self) -> Option<usize> {
        self.soon.take()
    }

    /// Takes into account how many wait for a place.
    pub(super) fn line_up(&mut self, in_line: usize) {
        if self.widens_at.is_some_and(|least| in_line >= least) {
            self.now = self.wider();
            self.begin_round();
        }
    }

    fn wider(&self) -> usize {
        let more = if self.is_careful { 1 } else { self.now };
        (self.now + more).min(self.most)
    }

    /// Takes an answer into account.
    pub(super) fn hear(&mut self, heard: Heard, load: Load) {
        self.fullest = self.fullest.max(load.under_way);
        match heard.status {
            429 => {
                self.most = self.most.min(FIRST);
                self.halve(self.now.min(self.most).min(load.under_way), heard.began);
            }
            503 if !load.is_down => self.halve(self.now, heard.began),
            500.. => {}
            // What was sent before it was narrowed says nothing of how wide it is now.
            _ if self.narrowed_at.is_some_and(|at| heard.began <= at) => {}
            _ => {
                self.answers += 1;
                self.reads.extend(heard.took);
                if self.answers >= self.now {
                    self.end_round(load.in_line);
                }
            }
        }
    }

    /// Requests that were under way together are told together: that counts once.
    fn halve(&mut self, whole: usize, began: Instant) {
        if self.narrowed_at.is_none_or(|at| began > at) {
            self.narrow(whole / 2);
            self.narrowed_at = Some(Instant::now());
            self.begin_round();
        }
        self.now = self.now.min(self.most);
    }

    fn narrow(&mut self, to: usize) {
        self.now = to.clamp(1, self.now);
        self.is_careful = true;
    }

    fn end_round(&mut self, in_line: usize) {
        let median = self.median();
        if let Some(median) = median {
            let lowest = self.lowest.map_or(median, |lowest| lowest.min(median));
            let pace = Pace::of(median, lowest);
            self.in_a_row = if pace == self.pace { self.in_a_row } else { 0 };
            (self.lowest, self.pace) = (Some(lowest), pace);
        }
        self.in_a_row += 1;
        let counts = self.in_a_row >= IN_A_ROW;
        if median.is_some() && self.pace == Pace::Slow && counts {
            self.narrow((self.now - self.now / 4).max(LEAST_WHEN_SLOW));
        }
        // Connections are opened for more, which is worth it when more than another round waits; those
        // for a width that was never reached have to be opened anyway.
        let is_full = self.fullest >= self.now;
        let least = if is_full { self.now + 1 } else { 1 };
        let counts = counts || !is_full || self.is_careful;
        self.begin_round();
        match self.pace {
            Pace::Quick if counts => self.widens_at = Some(least),
            Pace::Quick if in_line >= least => self.soon = Some(self.wider()),
            _ => {}
        }
        self.line_up(in_line);
    }

    fn begin_round(&mut self) {
        (self.answers, self.fullest, self.widens_at) = (0, 0, None);
        self.reads.clear();
    }

    /// How long reads took in this round, unaffected by the few that took much longer; unknown where
    /// most requests were writes.
    fn median(&mut self) -> Option<Duration> {
        if self.reads.len() * 2 < self.answers {
            return None;
        }
        self.reads.sort_unstable();
        self.reads.get(self.reads.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many as may be under way, and many more that wait.
    const CROWD: Load = Load { under_way: 256, in_line: 1000, is_down: false };

    fn status(status: u16) -> Heard {
        Heard { status, began: Instant::now(), took: None }
    }

    /// So many good answers to reads that took so many milliseconds.
    fn answers(width: &mut Width, count: usize, milliseconds: u64) {
        for _ in 0..count {
            let took = Some(Duration::from_millis(milliseconds));
            let began = Instant::now() + Duration::from_millis(1);
            width.hear(Heard { status: 200, began, took }, CROWD);
        }
    }

    /// Rounds of reads that took so many milliseconds each, and the width after each.
    fn after_rounds(width: &mut Width, rounds: &[u64]) -> Vec<usize> {
        let round = |milliseconds: &u64| {
            answers(width, width.now, *milliseconds);
            width.now
        };
        rounds.iter().map(round).collect()
    }

    /// Of `seconds` later: another flight of requests.
    async fn later(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_doubles_up_to_the_ceiling_while_more_than_another_round_stands_in_line() {
        for (most, expected) in [
            (1, [1; 5]),
            (10, [10; 5]),
            (16, [16; 5]),
            (32, [16, 16, 32, 32, 32]),
            (100, [16, 16, 32, 64, 100]),
        ] {
            let mut width = Width::new(most);
            assert_eq!(width.now, expected[0]);
            assert_eq!(after_rounds(&mut width, &[5; 4]), expected[1..], "{most}");
        }
        let mut width = Width::new(64);
        for in_line in [0, 1, 16] {
            for _ in 0..64 {
                width.hear(status(200), Load { in_line, ..CROWD });
            }
            assert_eq!(width.now, 16, "{in_line} in line");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_quick_round_will_earn_is_told_once() {
        for (most, in_line, expected) in [(64, 17, Some(32)), (20, 17, Some(20)), (64, 16, None)] {
            let mut width = Width::new(most);
            (0..16).for_each(|_| width.hear(status(200), Load { in_line, ..CROWD }));
            assert_eq!((width.soon(), width.soon()), (expected, None), "{most}, {in_line} in line");
            assert_eq!(width.now, 16);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_round_has_earned_is_taken_when_it_is_needed() {
        for (under_way, in_line, expected) in
            [(9, 0, 16), (9, 1, 32), (16, 1, 16), (16, 16, 16), (16, 17, 32)]
        {
            // Two rounds where connections for more must be opened, and one where they must be anyway.
            let answers = if under_way < 16 { 16 } else { 32 };
            let mut width = Width::new(64);
            let load = Load { under_way, in_line: 0, is_down: false };
            (1..answers).for_each(|_| width.hear(status(200), load));
            width.line_up(1000);
            assert_eq!(width.now, 16, "the round is not over");
            width.hear(status(200), load);
            width.line_up(in_line);
            assert_eq!(width.now, expected, "{under_way} under way, then {in_line} in line");
            width.line_up(in_line);
            assert_eq!(width.now, expected, "once");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_after_a_429_counts_once_a_flight_and_16_is_the_most_from_then_on() {
        let mut width = Width::new(256);
        after_rounds(&mut width, &[5; 4]);
        assert_eq!(width.now, 128);
        let together = status(429);
        (0..3).for_each(|_| width.hear(together, Load { under_way: 128, ..CROWD }));
        assert_eq!(width.now, 8, "half of the most that there are from now on");
        (0..128).for_each(|_| width.hear(status(200), CROWD));
        assert_eq!(width.now, 8, "what was under way before says nothing");
        assert_eq!(after_rounds(&mut width, &[5; 3]), [9, 10, 11], "one more after each round");
        assert_eq!(after_rounds(&mut width, &[5; 100]).last(), Some(&16));
        later(1).await;
        width.hear(status(429), Load { under_way: 6, ..CROWD });
        assert_eq!(width.now, 3, "half of those that were too many");
        for _ in 0..3 {
            later(1).await;
            width.hear(status(429), Load { under_way: 1, ..CROWD });
        }
        assert_eq!(width.now, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn half_after_a_503_unless_the_host_is_known_to_be_down() {
        let mut width = Width::new(64);
        after_rounds(&mut width, &[5; 3]);
        assert_eq!(width.now, 64);
        let together = status(503);
        later(1).await;
        (0..3).for_each(|_| width.hear(together, CROWD));
        assert_eq!(width.now, 32);
        later(1).await;
        width.hear(status(503), Load { under_way: 1, is_down: true, ..CROWD });
        width.hear(status(500), CROWD);
        assert_eq!(width.now, 32);
        assert_eq!(after_rounds(&mut width, &[5; 100]).last(), Some(&64), "no 429: the ceiling");
    }

    /// Milliseconds of rounds, and the width after each; the ceiling is 64.
    #[tokio::test(start_paused = true)]
    async fn it_widens_while_answers_are_quick_and_narrows_when_they_stay_slow() {
        for (case, rounds, expected) in [
            ("loopback", &[2, 6, 6, 6][..], &[16, 32, 64, 64][..]),
            ("far away", &[180, 200, 190, 190], &[16, 32, 64, 64]),
            ("a bit slower: stays", &[50, 50, 160, 160, 160], &[16, 32, 32, 32, 32]),
            ("connections are opened first", &[150, 50, 50], &[16, 32, 64]),
            ("connections are opened later", &[50, 50, 250, 50, 50], &[16, 32, 32, 32, 64]),
            ("one slow round", &[50, 50, 5000, 50, 5000, 50, 50], &[16, 32, 32, 32, 32, 32, 64]),
            ("slow", &[50, 50, 50, 400, 400, 400, 50], &[16, 32, 64, 64, 48, 36, 37]),
            ("slow by the factor only", &[2, 2, 2, 200, 200, 200], &[16, 32, 64, 64, 64, 64]),
            ("slow by the time only", &[900, 900, 900, 3000, 3000], &[16, 32, 64, 64, 64]),
            (
                "a slow machine",
                &[5, 5, 5, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000],
                &[16, 32, 64, 64, 48, 36, 27, 21, 16, 12, 9, 8, 8],
            ),
        ] {
            assert_eq!(after_rounds(&mut Width::new(64), rounds), expected, "{case}");
        }
        let mut narrow = Width::new(4);
        assert_eq!(after_rounds(&mut narrow, &[5, 9000, 9000, 9000]), [4; 4], "already narrow");
    }

    #[tokio::test(start_paused = true)]
    async fn neither_a_few_slow_answers_nor_slow_writes_count() {
        let mut width = Width::new(64);
        after_rounds(&mut width, &[50; 3]);
        for _ in 0..10 {
            answers(&mut width, 25, 90_000);
            answers(&mut width, 39, 50);
        }
        assert_eq!(width.now, 64);
        (0..10 * 64).for_each(|_| width.hear(status(201), CROWD));
        assert_eq!(width.now, 64);
    }
}
