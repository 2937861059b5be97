-- Clinic group under data protection law: patient data stays in the Union, on encrypted disks, on nodes that were
-- audited, in the pool it was approved for. Research data may also go to adequate third countries.

local UNION = { at = true, be = true, de = true, dk = true, es = true, fi = true, fr = true, ie = true, it = true,
    nl = true, pl = true, pt = true, se = true }
local ADEQUATE = { ch = true, gb = true, jp = true }

local function country_allows(class, country)
    if not country then return class == "public" end
    if UNION[country] then return true end
    if ADEQUATE[country] then return class == "research" or class == "public" end
    return class == "public"
end

function filter(node, workload)
    local class = workload.labels["data-class"] or "patient"
    local country = node.labels.country
    if not country_allows(class, country) then
        return false, class .. " data may not go to " .. (country or "a place nobody knows")
    end
    if class == "patient" then
        if node.labels.encrypted ~= "yes" then return false, "has no encrypted disk" end
        if node.labels.audit ~= "2026" then
            return false, "was last audited " .. (node.labels.audit and "in " .. node.labels.audit or "never")
        end
    end
    if workload.pool and workload.pool ~= node.pool then
        return false, "is in pool " .. node.pool .. ", approved is " .. workload.pool
    end
    return true
end

function score(node)
    return (node.labels.country == "de" and 10 or 0) + node.rank / 100 - node.workload_instances
end

function test_where_data_may_go()
    local good = { country = "fr", encrypted = "yes", audit = "2026" }
    assert(filter(node { labels = good, pool = "a" }, workload { pool = "a" }))
    local ok, why = filter(node { labels = good, pool = "b" }, workload { pool = "a" })
    assert(not ok and why == "is in pool b, approved is a")
    ok, why = filter(node { labels = { country = "us" } }, workload {})
    assert(not ok and why == "patient data may not go to us")
    ok, why = filter(node { labels = { country = "de", encrypted = "yes", audit = "2023" } }, workload {})
    assert(not ok and why == "was last audited in 2023")
    assert(filter(node { labels = { country = "ch" } },
        workload { labels = { ["data-class"] = "research" }, pool = "default" }))
end

function test_home_first()
    assert(score(node { labels = { country = "de" }, rank = 500, workload_instances = 2 }) == 13)
end
