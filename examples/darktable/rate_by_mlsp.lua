--[[
Rate photos in darktable by mlsp.

1. Copy this file into darktable's folder `lua` (Linux: ~/.config/darktable/lua), and add to the file
   `luarc` beside that folder:   require "rate_by_mlsp"
2. Start darktable. In the lighttable a module "rate by mlsp" has two buttons: "dry run" says what mlsp
   would give to the chosen photos, "rate" gives it. Photos that have stars or are rejected keep them.

Preferences (settings, Lua options): the command, and the percentiles from which 2, 3, 4 and 5 stars are
given. Needs darktable 4.0 or newer, and mlsp. Licence: Apache-2.0.
]]

local darktable = require "darktable"

local NAME = "rate_by_mlsp"
-- The first leaves darktable's windows alive meanwhile.
local execute = darktable.configuration.has_gui and darktable.control.execute or os.execute
-- Command lines have a limit.
local PHOTOS_A_RUN = 200

-- Where darktable has no windows, these are all there is.
local M = { command = "mlsp", thresholds = "20,45,70,90" }

local function register_preferences()
  darktable.preferences.register(
    NAME, "command", "string", "rate by mlsp: command", "how mlsp is called", M.command)
  darktable.preferences.register(
    NAME, "thresholds", "string", "rate by mlsp: percentiles",
    "percentiles from which 2, 3, 4 and 5 stars are given", M.thresholds)
end

local function read_preferences()
  M.command = darktable.preferences.read(NAME, "command", "string")
  M.thresholds = darktable.preferences.read(NAME, "thresholds", "string")
end

local function quoted(text)
  if package.config:sub(1, 1) == "\\" then
    return '"' .. text .. '"'
  end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The cells of a line of CSV; a cell with commas or quotation marks stands in quotation marks.
local function cells_of(line)
  local cells, at = {}, 1
  while at <= #line + 1 do
    if line:sub(at, at) == '"' then
      local text, stop = "", at + 1
      while true do
        local mark = line:find('"', stop, true)
        if not mark then return cells end
        text = text .. line:sub(stop, mark - 1)
        stop = mark + 1
        if line:sub(stop, stop) ~= '"' then break end
        text, stop = text .. '"', stop + 1
      end
      table.insert(cells, text)
      at = stop + 1
    else
      local comma = line:find(",", at, true) or #line + 1
      table.insert(cells, line:sub(at, comma - 1))
      at = comma + 1
    end
  end
  return cells
end

local function stars_of(percentile)
  local stars = 1
  for threshold in M.thresholds:gmatch("[%d.]+") do
    if percentile >= tonumber(threshold) then stars = stars + 1 end
  end
  return math.min(stars, 5)
end

local function path_of(image)
  return image.path .. "/" .. image.filename
end

-- Percentiles of photos, by path; photos that mlsp cannot score have none.
local function percentiles_of(paths)
  local found, output = {}, os.tmpname()
  local report = output .. ".csv"
  for first = 1, #paths, PHOTOS_A_RUN do
    local names = {}
    for number = first, math.min(first + PHOTOS_A_RUN - 1, #paths) do
      table.insert(names, quoted(paths[number]))
    end
    execute(
      M.command .. " score --quiet --pairs off --output " .. quoted(report) .. " "
      .. table.concat(names, " "))
    local file = io.open(report, "r")
    if not file then
      error("mlsp wrote no report: is the command in the preferences right? " .. M.command)
    end
    file:read("l")
    for line in file:lines() do
      local cells = cells_of(line)
      found[cells[1]] = tonumber(cells[2])
    end
    file:close()
    os.remove(report)
  end
  os.remove(output)
  os.remove(output .. ".errors.csv")
  return found
end

--- What mlsp would give: a list of {image, stars, percentile}, of the photos that nobody rated.
function M.dry_run(images)
  local unrated, paths = {}, {}
  for _, image in ipairs(images) do
    if image.rating == 0 then
      table.insert(unrated, image)
      table.insert(paths, path_of(image))
    end
  end
  local percentiles, given = percentiles_of(paths), {}
  for _, image in ipairs(unrated) do
    local percentile = percentiles[path_of(image)]
    if percentile then
      table.insert(given, { image = image, stars = stars_of(percentile), percentile = percentile })
    end
  end
  return given
end

--- Give it, except to photos that somebody has rated since.
function M.rate(given)
  local count = 0
  for _, one in ipairs(given) do
    if one.image.rating == 0 then
      one.image.rating = one.stars
      count = count + 1
    end
  end
  return count
end

--- One line for people: how many photos get how many stars.
function M.summary(given)
  local counts = { 0, 0, 0, 0, 0 }
  for _, one in ipairs(given) do counts[one.stars] = counts[one.stars] + 1 end
  local parts = {}
  for stars = 5, 1, -1 do
    if counts[stars] > 0 then table.insert(parts, counts[stars] .. " × " .. stars) end
  end
  return #given .. " unrated photos" .. (#given > 0 and ", stars: " .. table.concat(parts, ", ") or "")
end

local function add_module()
  local given = {}
  local said = darktable.new_widget("label") { label = "choose photos, then dry run" }
  local rate = darktable.new_widget("button") { label = "rate", sensitive = false }
  rate.clicked_callback = function()
    said.label = M.rate(given) .. " photos rated"
    rate.sensitive = false
    given = {}
  end
  local dry_run = darktable.new_widget("button") {
    label = "dry run",
    clicked_callback = function()
      said.label = "mlsp is scoring …"
      read_preferences()
      given = M.dry_run(darktable.gui.action_images)
      said.label = M.summary(given)
      rate.sensitive = #given > 0
      for _, one in ipairs(given) do
        darktable.print_log(one.image.filename .. ": " .. one.stars .. " stars")
      end
    end,
  }
  darktable.register_lib(
    NAME, "rate by mlsp", true, false,
    { [darktable.gui.views.lighttable] = { "DT_UI_CONTAINER_PANEL_RIGHT_CENTER", 100 } },
    darktable.new_widget("box") { orientation = "vertical", dry_run, rate, said })
end

-- A module can be added to the view that is shown only.
local function add_module_once(_, _, new_view)
  if new_view.id == "lighttable" and not M.is_added then
    M.is_added = true
    add_module()
  end
end

if darktable.configuration.has_gui then
  register_preferences()
  darktable.register_event(NAME, "view-changed", add_module_once)
  add_module_once(nil, nil, darktable.gui.current_view())
end

return M
