-- wrk: sends one request again and again. Arguments: method, path, token, and the names of
-- the body ("-": none), of the expected answer ("-": only its status is looked at), and what
-- the e-mail address of each request begins with ("-": always the same address).
local threads = {}

local function content(name)
  if name == "-" then return nil end
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local method, path, token, body, expected, fresh = unpack(args)
  wrong = 0
  wrk.method = method
  wrk.path = path
  wrk.headers["Allonym-Token"] = token
  wrk.body = content(body)
  if wrk.body then wrk.headers["Content-Type"] = "application/json" end
  expected = content(expected)
  if expected then
    response = function(status, headers, text)
      if status ~= 200 or text ~= expected then wrong = wrong + 1 end
    end
  end
  if fresh ~= "-" then
    -- The address keeps its length: "zoe.angstrom." becomes the beginning, the digits count.
    local from, to = wrk.body:find("zoe.angstrom.00000000", 1, true)
    local before, after = wrk.body:sub(1, from - 1), wrk.body:sub(to + 1)
    local number = 0
    request = function()
      number = number + 1
      return wrk.format(nil, nil, nil, before .. fresh .. string.format("%08d", number) .. after)
    end
  end
end

function done(summary, latency, requests)
  local wrongs = 0
  for _, thread in ipairs(threads) do wrongs = wrongs + thread:get("wrong") end
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d %d\n", summary.requests, summary.duration, wrongs,
    e.status, e.connect + e.read + e.write + e.timeout))
end
