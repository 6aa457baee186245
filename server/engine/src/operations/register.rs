//! The operations that the console remembers: those that have not ended, and the ones that ended lately.

use super::{OperationError, rate};
use headroom_model::{
    Actor, TargetId, Timestamp,
    operation::{LogLine, MAX_LOG_LINES, Operation, OperationState},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Ended operations kept in memory; older ones are in the state store.
const ENDED_KEPT: usize = 50;
/// The longest list that is answered.
const LIST_MAX: usize = 50;
/// Longest log line, in characters.
const LINE_MAX: usize = 500;

/// Operations by id. UUIDv7 ids sort by creation.
#[derive(Debug)]
pub(super) struct Register {
    entries: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    operation: Operation,
    cancel: CancellationToken,
    meter: rate::RateMeter,
    /// Rises with every change, so that a reader knows whether it has seen the newest.
    version: u64,
}

impl Register {
    /// A register that starts with what ended before.
    pub fn new(ended: Vec<Operation>) -> Self {
        let entry = |operation: Operation| {
            let meter = rate::RateMeter::start(operation.created_at);
            (operation.id.clone(), Entry { operation, cancel: CancellationToken::new(), meter, version: 0 })
        };
        let register = Register { entries: Mutex::new(ended.into_iter().map(entry).collect()) };
        forget(&mut register.lock());
        register
    }

    /// Entries are changed whole before the lock is given up, so a panicked holder leaves them sound.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a queued operation in.
    pub fn admit(
        &self,
        operation: Operation,
        cancel: CancellationToken,
        queue_max: usize,
    ) -> Result<(), OperationError> {
        let mut entries = self.lock();
        let waiting = entries.values().filter(|e| e.operation.state == OperationState::Queued).count();
        if waiting >= queue_max {
            return Err(OperationError::QueueFull { waiting });
        }
        let meter = rate::RateMeter::start(operation.created_at);
        entries.insert(operation.id.clone(), Entry { operation, cancel, meter, version: 0 });
        Ok(())
    }

    /// Changes an operation that has not ended; answers it as it is now.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Operation)) -> Option<Operation> {
        let mut entries = self.lock();
        let entry = entries.get_mut(id).filter(|entry| !entry.operation.state.is_final())?;
        change(&mut entry.operation);
        entry.version += 1;
        let operation = entry.operation.clone();
        if operation.state.is_final() {
            forget(&mut entries);
        }
        Some(operation)
    }

    /// Begins: rates count from here.
    pub fn begin(&self, id: &str, now: Timestamp) -> Option<Operation> {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.meter = rate::RateMeter::start(now);
        }
        self.change(id, |operation| {
            operation.state = OperationState::Running;
            operation.started_at = Some(now);
        })
    }

    /// Takes progress in.
    pub fn progress(&self, id: &str, done: u64, total: Option<u64>, now: Timestamp) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(id).filter(|entry| !entry.operation.state.is_final()) {
            let rate = entry.meter.observe(done, now);
            let progress = &mut entry.operation.progress;
            (progress.done, progress.total, progress.rate) = (done, total, rate);
            progress.eta_ms = rate::eta_ms(done, total, rate);
            entry.version += 1;
        }
    }

    /// Adds a line to the log; the oldest gives way.
    pub fn log(&self, id: &str, text: &str, now: Timestamp) -> Option<Operation> {
        self.change(id, |operation| {
            operation.log.push(LogLine { at: now, text: text.chars().take(LINE_MAX).collect() });
            if operation.log.len() > MAX_LOG_LINES {
                operation.log.remove(0);
                operation.log_dropped += 1;
            }
        })
    }

    /// The operation, if it changed since `seen`; moves `seen` on.
    pub fn changed(&self, id: &str, seen: &mut u64) -> Option<Operation> {
        let entries = self.lock();
        let entry = entries.get(id).filter(|entry| entry.version > *seen)?;
        *seen = entry.version;
        Some(entry.operation.clone())
    }

    /// Asks an operation to stop.
    pub fn cancel(&self, id: &str, actor: &Actor, now: Timestamp) -> Result<Operation, OperationError> {
        let token = {
            let entries = self.lock();
            let entry = entries.get(id).ok_or_else(|| OperationError::Unknown(id.to_owned()))?;
            if actor.role < entry.operation.cancel_role {
                return Err(OperationError::Forbidden(entry.operation.cancel_role));
            }
            entry.cancel.clone()
        };
        let operation = self.log(id, &format!("{} asked to stop", actor.name), now).ok_or(OperationError::Ended)?;
        token.cancel();
        Ok(operation)
    }

    /// One operation.
    pub fn get(&self, id: &str) -> Option<Operation> {
        self.lock().get(id).map(|entry| entry.operation.clone())
    }

    /// Newest first, at most 50. Those that have not ended come before the ended ones when not all fit.
    pub fn list(&self, target: Option<&TargetId>) -> Vec<Operation> {
        let entries = self.lock();
        let mut chosen: Vec<&Operation> = entries
            .values()
            .map(|entry| &entry.operation)
            .filter(|operation| target.is_none_or(|target| operation.target.as_ref().is_none_or(|t| t == target)))
            .collect();
        chosen.sort_by_key(|operation| std::cmp::Reverse((!operation.state.is_final(), &operation.id)));
        chosen.truncate(LIST_MAX);
        chosen.sort_by_key(|operation| std::cmp::Reverse(&operation.id));
        chosen.into_iter().cloned().collect()
    }
}

/// Keeps the newest ended operations alone.
fn forget(entries: &mut BTreeMap<String, Entry>) {
    let ended: Vec<String> = entries
        .iter()
        .filter(|(_, entry)| entry.operation.state.is_final())
        .map(|(id, _)| id.clone())
        .rev()
        .skip(ENDED_KEPT)
        .collect();
    for id in ended {
        entries.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{Role, access::Proof, operation::Progress};

    fn operation(id: usize, state: OperationState) -> Operation {
        Operation {
            id: format!("{id:04}"),
            kind: "cache.warm".into(),
            title: "Warm".into(),
            target: None,
            actor: "ada".into(),
            cancel_role: Role::Operator,
            reason: None,
            state,
            progress: Progress::default(),
            log: Vec::new(),
            log_dropped: 0,
            outcome: None,
            effect: None,
            created_at: Timestamp(0),
            started_at: None,
            finished_at: None,
        }
    }

    fn admit(register: &Register, id: usize) -> Result<(), OperationError> {
        register.admit(operation(id, OperationState::Queued), CancellationToken::new(), 3)
    }

    #[test]
    fn the_queue_is_bounded() {
        let register = Register::new(Vec::new());
        for id in 0..3 {
            admit(&register, id).unwrap();
        }
        assert!(matches!(admit(&register, 3), Err(OperationError::QueueFull { waiting: 3 })));
        register.begin("0000", Timestamp(0));
        admit(&register, 3).unwrap();
    }

    #[test]
    fn memory_and_lists_are_bounded_and_what_runs_is_never_cut() {
        let ended = (1..200).map(|id| operation(id, OperationState::Succeeded)).collect();
        let register = Register::new(ended);
        admit(&register, 0).unwrap();
        let list = register.list(None);
        assert_eq!(list.len(), 50);
        assert_eq!(list[0].id, "0199");
        assert_eq!(list[49].id, "0000");
        assert!(register.get("0001").is_none());
    }

    #[test]
    fn the_log_is_bounded_and_says_what_it_dropped() {
        let register = Register::new(Vec::new());
        admit(&register, 0).unwrap();
        for line in 0..250 {
            register.log("0000", &format!("line {line}"), Timestamp(line));
        }
        let operation = register.get("0000").unwrap();
        assert_eq!((operation.log.len(), operation.log_dropped), (MAX_LOG_LINES, 50));
        assert_eq!(operation.log[0].text, "line 50");
    }

    #[test]
    fn cancelling_needs_the_role_and_something_to_cancel() {
        let register = Register::new(Vec::new());
        admit(&register, 0).unwrap();
        let actor = |role| Actor { name: "ada".into(), role, proof: Proof::Session };
        let cancel = |id: &str, role| register.cancel(id, &actor(role), Timestamp(0));
        assert!(matches!(cancel("0000", Role::Viewer), Err(OperationError::Forbidden(Role::Operator))));
        assert!(matches!(cancel("0009", Role::Admin), Err(OperationError::Unknown(_))));
        assert_eq!(cancel("0000", Role::Operator).unwrap().log.len(), 1);
        register.change("0000", |operation| operation.state = OperationState::Cancelled);
        assert!(matches!(cancel("0000", Role::Admin), Err(OperationError::Ended)));
    }
}
