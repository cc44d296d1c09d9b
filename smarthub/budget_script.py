"""The call budget's Lua: one atomic step in Valkey, on the server's clock, for all processes.

State (hash): `tat`, the theoretical arrival time of the generic cell rate algorithm; `rate` and `rate_at`,
a lowered rate and when it was set; `penalised_at`; `paused_until`. Each lane has two sorted sets of its
waiters: by arrival (first come, first served) and by expiry (a killed process falls out by itself).
Calls of the last minutes are counted in a ring of 120 one-second slots per lane.
"""

_COMMON = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local state = KEYS[1]
local function number(field) return tonumber(redis.call('HGET', state, field) or '') end
local function rate_now(set, recovery)
  local lowered, at = number('rate'), number('rate_at')
  if not lowered or not at then return set end
  local rate = lowered + math.max(0, now - at) * set / recovery
  if rate >= set then
    redis.call('HDEL', state, 'rate', 'rate_at')
    return set
  end
  return rate
end
local function forget_the_dead(lane)
  local dead = redis.call('ZRANGEBYSCORE', KEYS[5 + lane], '-inf', now)
  for _, id in ipairs(dead) do
    redis.call('ZREM', KEYS[1 + lane], id)
    redis.call('ZREM', KEYS[5 + lane], id)
  end
end
"""

# KEYS: state, 4 arrival sets, 4 expiry sets, ring.
# ARGV: lane 1-4, waiter, its ticket or '', set rate, burst, seconds to live, register 0/1, recovery seconds.
# Answers {1, '', ''} or {0, seconds to wait, ticket}.
TAKE = (
    _COMMON
    + """
local lane, id, set, burst = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local interval = 1 / rate_now(set, tonumber(ARGV[8]))
local ahead = 0
for higher = 1, lane do forget_the_dead(higher) end
for higher = 1, lane - 1 do ahead = ahead + redis.call('ZCARD', KEYS[1 + higher]) end
local ticket = ARGV[3]
if ticket == '' then ticket = string.format('%.6f', now) end
if ARGV[7] == '1' then
  redis.call('ZADD', KEYS[1 + lane], ticket, id)
  redis.call('ZADD', KEYS[5 + lane], string.format('%.6f', now + tonumber(ARGV[6])), id)
  ahead = ahead + redis.call('ZRANK', KEYS[1 + lane], id)
else
  ahead = ahead + redis.call('ZCARD', KEYS[1 + lane])
end
local tat = number('tat') or now
-- A clock that was set back must not stop everything until it has caught up.
if tat > now + (burst + 1) * math.max(interval, 20 / set) then tat = now end
local wait = tat - (burst - 1) * interval - now
local paused = (number('paused_until') or 0) - now
if paused > wait then wait = paused end
if ahead == 0 and wait <= 0 then
  redis.call('HSET', state, 'tat', string.format('%.6f', math.max(tat, now) + interval))
  redis.call('ZREM', KEYS[1 + lane], id)
  redis.call('ZREM', KEYS[5 + lane], id)
  local second = math.floor(now)
  local slot = (second % 120) .. ':' .. lane
  local entry = redis.call('HGET', KEYS[10], slot)
  local count = 0
  if entry then
    local at, n = entry:match('^(%d+):(%d+)$')
    if tonumber(at) == second then count = tonumber(n) end
  end
  redis.call('HSET', KEYS[10], slot, string.format('%d:%d', second, count + 1))
  redis.call('EXPIRE', KEYS[10], 300)
  return {1, '', ''}
end
return {0, string.format('%.6f', math.max(wait, 0) + ahead * interval), ticket}
"""
)

# ARGV: set rate, recovery seconds, pause in seconds, factor, floor (calls per second).
PENALISE = (
    _COMMON
    + """
local set = tonumber(ARGV[1])
local rate = rate_now(set, tonumber(ARGV[2]))
local paused = math.max(number('paused_until') or 0, now + tonumber(ARGV[3]))
redis.call('HSET', state, 'paused_until', string.format('%.6f', paused))
-- Several calls in flight get the same 429; it is one reason to slow down, not several.
local last = number('penalised_at')
if not last or now - last >= 1 or now < last then
  rate = math.max(rate * tonumber(ARGV[4]), tonumber(ARGV[5]))
  redis.call('HSET', state, 'penalised_at', string.format('%.6f', now))
end
-- Recovery starts when the pause is over.
redis.call('HSET', state, 'rate', string.format('%.6f', math.min(rate, set)),
  'rate_at', string.format('%.6f', paused))
return string.format('%.6f', rate)
"""
)

# ARGV: set rate, recovery seconds. Answers {rate, paused until or '0', waiting 1-4, used in 60 s 1-4}.
STATE = (
    _COMMON
    + """
local rate = rate_now(tonumber(ARGV[1]), tonumber(ARGV[2]))
local paused = number('paused_until') or 0
if paused <= now then paused = 0 end
local answer = {string.format('%.6f', rate), string.format('%.6f', paused)}
for lane = 1, 4 do
  forget_the_dead(lane)
  answer[2 + lane] = redis.call('ZCARD', KEYS[1 + lane])
end
local used = {0, 0, 0, 0}
local ring = redis.call('HGETALL', KEYS[10])
for i = 1, #ring, 2 do
  local lane = tonumber(ring[i]:match(':(%d)$'))
  local at, n = ring[i + 1]:match('^(%d+):(%d+)$')
  if tonumber(at) > now - 60 then used[lane] = used[lane] + tonumber(n) end
end
for lane = 1, 4 do answer[6 + lane] = used[lane] end
return answer
"""
)
