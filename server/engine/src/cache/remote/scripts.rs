//! What must happen in one step inside Redis.
//!
//! Every script that changes something also tells the other instances: either both happen or neither. Numbers are
//! written with `%.0f`, because Lua's own form keeps only 14 digits of a version.

use deadpool_redis::redis::Script;

/// `ENTRY LEASE | lease seen_id lease_ms` → 1 claimed, 0 somebody loads it, 2 there is another value now. A lease begins
/// with 20 digits that rise with every invalidation: one from before the newest is taken over.
const CLAIM: &str = r"
local id = redis.call('GETRANGE', KEYS[1], 16, 23)
if id ~= ARGV[2] then return 2 end
local held = redis.call('GET', KEYS[2])
if held and string.sub(held, 1, 20) >= string.sub(ARGV[1], 1, 20) then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return 1";

/// `ENTRY LEASE [INDEX] | lease value px channel message key` → 1 stored, 0 the lease is gone: something was invalidated
/// meanwhile. An empty lease stores whatever was there, and a load under way loses its own. The message is sent in any
/// case, for others take a number that is missing for a loss. The index lies on another node in a Cluster; there it is
/// written apart.
pub(super) const PUT: &str = r"
redis.call('PUBLISH', ARGV[4], ARGV[5])
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
if KEYS[3] then
  local ends = redis.call('TIME')[1] + math.ceil(ARGV[3] / 1000)
  redis.call('ZADD', KEYS[3], string.format('%.0f', ends), ARGV[6])
end
return 1";

/// `LEASE | lease channel message`: gives up a lease that is still ours, and wakes who waits for it. The message is sent in
/// any case, as above.
const RELEASE: &str = r"
redis.call('PUBLISH', ARGV[2], ARGV[3])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// `LEASE | lease lease_ms` → 1 renewed, 0 it is no longer ours.
const RENEW: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// `ENTRY LEASE [INDEX] | channel message key` → entries removed.
const REMOVE: &str = r"
local n = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
if KEYS[3] then redis.call('ZREM', KEYS[3], ARGV[3]) end
return n";

/// `ENTRY | value`: removes exactly this value, or what is no string and so no cache's.
const REMOVE_IF: &str = r"
if redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// `COUNTER | keep_ms channel message` → the new version: the time in microseconds, or one more where it had that already.
/// So it never repeats a version it had before Redis forgot it, or went back to an older copy of its data.
const BUMP: &str = r"
local t = redis.call('TIME')
local v = math.max(t[1] * 1000000 + t[2], (tonumber(redis.call('GET', KEYS[1])) or 0) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', v), 'PX', ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3] .. string.format('%.0f', v))
return v";

/// `COUNTER… | keep_ms` → their versions; those that are not there are made.
const SEED: &str = r"
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000000 + t[2])
local found = {}
for i, key in ipairs(KEYS) do
  redis.call('SET', key, now, 'NX', 'PX', ARGV[1])
  found[i] = tonumber(redis.call('GET', key))
end
return found";

pub(super) struct Scripts {
    pub claim: Script,
    pub put: Script,
    pub release: Script,
    pub renew: Script,
    pub remove: Script,
    pub remove_if: Script,
    pub bump: Script,
    pub seed: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Scripts {
            claim: Script::new(CLAIM),
            put: Script::new(PUT),
            release: Script::new(RELEASE),
            renew: Script::new(RENEW),
            remove: Script::new(REMOVE),
            remove_if: Script::new(REMOVE_IF),
            bump: Script::new(BUMP),
            seed: Script::new(SEED),
        }
    }
}
