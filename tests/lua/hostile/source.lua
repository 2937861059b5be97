-- Whole files that are hard to read. A line "@ N TEXT" stands for TEXT written N times, behind the line before it; %d in it counts.

--- bytecode: source fails
Lua

--- nested parentheses: source fails
local x =
@ 120000 (
1

--- nested parentheses that close: source fails
local x =
@ 100000 (
1
@ 100000 )

--- nested tables: source fails
local x =
@ 100000 {
@ 100000 }

--- nested functions: source fails
@ 10000 return function();
@ 10000  end

--- nested blocks: source fails
@ 25000 do;
@ 25000  end

--- nested loops: source fails
@ 10000 while x do;
@ 10000  end

--- nested conditions: source fails
@ 8000 if x then;
@ 8000  end

--- nested calls: source fails
local x =
@ 60000 f(
@ 60000 )

--- not not not: source fails
local x =
@ 60000 not-
1

--- minus minus minus: source fails
local x =
@ 100000 -(
1
@ 100000 )

--- powers of powers: source fails
local x = 1
@ 60000 ^1

--- texts joined without end: source fails
local x = ""
@ 40000 ..""

--- a chain of comparisons: source harmless
local x = 1
@ 20000 ==1
function score() return 1 end

--- a chain of indexes: source harmless
local function f(a) return a
@ 40000 .a
end
function score() return 1 end

--- a chain of calls: source harmless
local function f(a) return a
@ 40000 ()
end
function score() return 1 end

--- a chain of elseif: source harmless
local function f(a) if a then;
@ 5000 elseif a == %d then;
end return f end
function score() return 1 end

--- a chain of and: source harmless
local function f(a) return a
@ 20000  and a
end
function score() return 1 end

--- three hundred locals: source fails
@ 300 local a%d = 1;

--- three hundred upvalues: source fails
@ 150 local a%d = 1;
local function g()
@ 150 local b%d = 1;
return function() return 0
@ 150 +a%d+b%d
end end

--- three hundred parameters: source fails
function score(
@ 300 a%d,
z) return 1 end

--- three hundred targets: source fails
@ 300 a,
a = 1

--- a hundred thousand constants: source harmless
local t = {
@ 30000 %d.5,
}
function score() return 1 end

--- ten thousand functions: source harmless
local t = {
@ 10000 function()end,
}
function score() return 1 end

--- thirty thousand labels: source contained
@ 20000 ::l%d::
function score() return 1 end

--- thirty thousand gotos: source contained
do;
@ 20000 goto l;
::l:: end
function score() return 1 end

--- a goto to nowhere: source fails
goto nowhere

--- a goto into a block: source fails
goto inside
do ::inside:: local x = 1 end

--- a goto over a local: source fails
goto behind
local x = 1
::behind:: x = x + 1

--- a label twice: source fails
::a:: ::a::

--- a break outside of loops: source fails
break

--- arguments outside of functions: source fails
function score() return ... end

--- a text that does not end: source fails
local x = [[
@ 200000 x

--- a text of many levels: source fails
local x = [
@ 100000 =
[

--- a comment that does not end: source fails
--[==[
@ 200000 x

--- a name of 200 kilobytes: source harmless
local a
@ 200000 x
= 1
function score() return 1 end

--- a number of 200 kilobytes: source harmless
local x = 1
@ 200000 0
function score() return 1 end

--- an exponent past everything: source harmless
local x = 1e
@ 1000 9
function score() return 1 end

--- hexadecimal digits past everything: source harmless
local x = 0x
@ 100000 f
function score() return 1 end

--- an escape past Unicode: source fails
local x = "\u{80000000}"

--- an escape past a byte: source fails
local x = "\256"

--- an unknown attribute: source fails
local x <gone> = 1

--- a constant that is set: source fails
local x <const> = 1
x = 2

--- an environment that is constant: source fails
local _ENV <const> = 11
X = "hi"

--- an environment that is closed: source fails
local _ENV <close> = {}
X = "hi"

--- a first line for a shell: source fails
#!/bin/sh
function score() return 1 end

--- an empty file: source fails

--- a file of empty lines: source fails
@ 200000 ;

--- no decision at all: source fails
local function score() return 1 end

--- a decision that is no function: source fails
score = "x"

--- a decision that is a function of the console's: source fails
score = tostring

--- a decision that is pcall: source fails
score = pcall

--- both decisions the same function: source contained
function filter() return 1 end
score = filter

--- a decision defined by another: source contained
function score() filter = score return 1 end

--- a loop in the first line: source endless
while true do end

--- a loop behind the decisions: source endless
function score() return 1 end
for _ in function() return 1 end do end

--- a loop on the example alone: source endless
function score(node) while node.name == "node-1" do end return 1 end

--- a bomb in the first line: source fails
local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end

--- fifty megabytes kept by the file: source contained
local t = {} for i = 1, 500 do t[i] = ("x"):rep(100000) .. i end
function score() return #t end

--- a decision made of a text of 200 kilobytes: source harmless
local x = [[
@ 200000 x
]]
function score() return #x end
