import { createHash } from 'node:crypto';
import type { LimitUse } from '../plan/limiter.ts';
import { type RateVerdict, rateLimit, take } from '../semantics/rate.ts';
import { respText } from './resp.ts';

/**
 * `take` and `charge` of `semantics/rate.ts` in Lua, for any number of keys in one call. Redis runs a script alone and has one clock: that is
 * what makes limits exact across machines.
 *
 * The clock of Redis counts microseconds, and nanoseconds since 1970 do not fit a double, so nothing is kept against an
 * origin: a `gcra` key is [time of the last change, nanoseconds until it was full then], a sliding window is [its number,
 * count before, current count]. An answer is the state *before* the attempt, relative to now: one number or three, from
 * which the gateway computes the verdict with the very function that decides locally.
 *
 * A clock that goes back (NTP, a replica in charge) earns nobody anything and blocks nobody. A key that is of another
 * kind, or not ours, counts as one that was never seen and is written over.
 *
 * ARGV[i] describes KEYS[i]: kind, rate, room, cost. Kinds 0 and 1 take, 2 and 3 charge.
 */
export const LIMIT_SCRIPT = `local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer = {}
local n = 0
for i = 1, #KEYS do
  local kind, rate, room, cost = struct.unpack('>Bddd', ARGV[i])
  local charge = kind >= 2
  local kept = redis.pcall('GET', KEYS[i])
  if kind % 2 == 0 then
    local backlog = 0
    if type(kept) == 'string' and #kept == 16 then
      local at, left = struct.unpack('>dd', kept)
      backlog = math.max(0, left - math.max(0, now - at) * 1000)
    end
    n = n + 1
    answer[n] = backlog
    local capacity = room * rate
    local full = backlog + cost * rate
    if charge and cost > 0 then full = math.max(backlog, math.min(full, 2 * capacity)) end
    if charge or (cost > 0 and full - capacity <= 0.5) then
      full = math.max(0, cost > 0 and math.ceil(full) or math.floor(full))
      redis.call('SET', KEYS[i], struct.pack('>dd', now, full), 'PX', math.ceil(full / 1000000) + 10)
    end
  else
    local window = math.floor(now / rate)
    local into = now - window * rate
    local before = 0
    local current = 0
    if type(kept) == 'string' and #kept == 24 then
      local number, b, c = struct.unpack('>ddd', kept)
      if number >= window then
        before = b
        current = c
      elseif number == window - 1 then
        before = c
      end
    end
    answer[n + 1] = before
    answer[n + 2] = current
    answer[n + 3] = into
    n = n + 3
    local covered = before * (1 - into / rate)
    local taken = current + cost
    if charge then taken = math.min(math.max(0, taken), math.max(current, math.min(2 * room, 1048575))) end
    if charge or (cost > 0 and covered + taken <= room + 1e-9) then
      redis.call('SET', KEYS[i], struct.pack('>ddd', window, before, taken), 'PX', math.ceil((2 * rate - into) / 1000) + 10)
    end
  end
end
return answer
`;

const DIGEST = createHash('sha1').update(LIMIT_SCRIPT).digest('hex');
const EVALSHA = `$7\r\nEVALSHA\r\n${respText(DIGEST)}`;
/** The same, for a server that does not know the script yet; it does afterwards. */
const EVAL = `$4\r\nEVAL\r\n${respText(LIMIT_SCRIPT)}`;

/** `keys` and `specs`: what `respText` made of them, one after the other. */
export function limitCommand(count: number, keys: string, specs: string, known: boolean): string {
  return `*${3 + 2 * count}\r\n${known ? EVALSHA : EVAL}${respText(String(count))}${keys}${specs}`;
}

const packing = Buffer.alloc(25);

/** ARGV of one attempt, ready to send. */
export function limitSpec({ rate }: LimitUse, cost: number, isCharge: boolean): string {
  const isGcra = rate.algorithm === 'gcra';
  packing.writeUInt8((isGcra ? 0 : 1) + (isCharge ? 2 : 0), 0);
  packing.writeDoubleBE(isGcra ? rate.interval : rate.period / 1000, 1);
  packing.writeDoubleBE(isGcra ? rate.burst : rate.limit, 9);
  packing.writeDoubleBE(cost, 17);
  return respText(packing.latin1Slice(0, packing.length));
}

/**
 * Teaches a server the script, and finds out whether it runs it and lets us write: a replica, a full memory, a user
 * without rights show here and not with a request. Answered with one number.
 */
export function probeCommand(prefix: string): string {
  const use: LimitUse = { id: 0, name: 'probe', rate: rateLimit(1000, 1000, 1) };
  return limitCommand(1, respText(`${prefix}:limit:{probe}`), limitSpec(use, 1, true), false);
}

/** How many numbers of the answer belong to this attempt. */
export function answerSize({ rate }: LimitUse): number {
  return rate.algorithm === 'gcra' ? 1 : 3;
}

const COUNT = 2 ** 20;

/** The verdict from the numbers at `at`: the script has done the same sum. */
export function readAnswer(
  { rate }: LimitUse,
  cost: number,
  answer: readonly number[],
  at: number,
  verdict: RateVerdict,
): void {
  if (rate.algorithm === 'gcra') {
    take(rate, answer[at] as number, 0, cost, verdict);
    return;
  }
  const before = Math.min(answer[at] as number, COUNT - 1);
  const current = Math.min(answer[at + 1] as number, COUNT - 1);
  // As in window 0, which is as good as any.
  take(rate, before * COUNT + current + 1, (answer[at + 2] as number) * 1000, cost, verdict);
}

const BEAT_SCRIPT = `local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local life = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - life)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + life, '+inf')
redis.call('PEXPIRE', KEYS[1], life)
return redis.call('ZCARD', KEYS[1])
`;

/** Says that this instance lives, and asks how many do: those that said so within `life` milliseconds. */
export function beatCommand(key: string, instance: string, life: number): string {
  const words = [BEAT_SCRIPT, '1', key, instance, String(life)];
  return `*6\r\n$4\r\nEVAL\r\n${words.map(respText).join('')}`;
}
