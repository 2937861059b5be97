"""The lint finds what it is there for: each test plants one violation in a small tree and looks for it."""

import subprocess
import tempfile
import unittest
from pathlib import Path

import check_includes
import check_manual
import check_paths
import check_sizes
import check_time

ROOT = Path(__file__).resolve().parents[2]

FLOORS = """\
# a small house
floor 1 core/base
floor 2 core/model
floor 2 core/io
floor 3 core/store
floor 4 core/main.c
floor 3 agent/link
limit agent: core/base core/io
owner uv.h: core/io
"""


class Includes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        self.write("cmake/floors.txt", FLOORS)
        self.write("core/base/base.h", "")
        self.write("core/io/io.h", '#include "base/base.h"\n')
        self.write("core/io/io.c", '#include <uv.h>\n#include "io/io.h"\n#include "io/io_internal.h"\n')
        self.write("core/io/io_internal.h", "")
        self.write("core/io/CMakeLists.txt", "lat_module(NAME io SOURCES io.c LINKS lat_base)\n")
        self.write("core/model/model.h", "")
        self.write("core/store/store.h", '#include "model/model.h"\n')
        self.write("core/main.c", '#include "store/store.h"\n#include "lat_version.h"\n')
        self.write("agent/link/link.h", '#include "io/io.h"\n')

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def assert_one_finding(self, *words):
        findings = check_includes.check(self.root)
        self.assertEqual(len(findings), 1, findings)
        for word in words:
            self.assertIn(word, findings[0])

    def test_a_sound_house_has_no_findings(self):
        self.assertEqual(check_includes.check(self.root), [])

    def test_an_upward_include_is_found(self):
        self.write("core/base/base.c", '\n#include "store/store.h"\n')
        self.assert_one_finding("core/base/base.c:2", "lower floors only")

    def test_an_include_of_a_sibling_is_found(self):
        self.write("core/model/model.c", '#include "io/io.h"\n')
        self.assert_one_finding("core/model/model.c:1", "lower floors only")

    def test_an_include_past_the_limit_is_found(self):
        self.write("agent/link/link.c", '#include "model/model.h"\n')
        self.assert_one_finding("agent/link/link.c:1", "not among what agent may use")

    def test_an_include_of_a_private_header_is_found(self):
        self.write("core/store/store.c", '#include "io/io_internal.h"\n')
        self.assert_one_finding("core/store/store.c:1", "private to core/io")

    def test_a_header_of_another_owner_is_found(self):
        self.write("core/store/store.c", "# include <uv.h>\n")
        self.assert_one_finding("core/store/store.c:1", "uv.h belongs to core/io")

    def test_a_header_that_does_not_exist_is_found(self):
        self.write("core/store/store.c", '#include "model/modle.h"\n')
        self.assert_one_finding("core/store/store.c:1", "model/modle.h")

    def test_an_undeclared_link_is_found(self):
        self.write("core/io/CMakeLists.txt", "lat_module(NAME io SOURCES io.c) # LINKS lat_base\n")
        self.assert_one_finding("core/io/io.h:1", "does not link lat_base")

    def test_a_circle_of_headers_is_found(self):
        self.write("core/model/model.h", '#include "model/node.h"\n')
        self.write("core/model/node.h", '#include "model/model.h"\n')
        self.assert_one_finding("circle", "core/model/model.h -> core/model/node.h -> core/model/model.h")

    def test_a_folder_without_a_row_is_found(self):
        self.write("core/util/util.c", "")
        self.assert_one_finding("core/util/util.c", "no row")


class Links(unittest.TestCase):
    """cmake/Floors.cmake refuses by the same table what a CMakeLists.txt must not link."""

    def configure(self, folder, used):
        with tempfile.TemporaryDirectory() as scratch:
            script = Path(scratch) / "links.cmake"
            script.write_text("cmake_minimum_required(VERSION 3.25)\n"
                              f'include("{ROOT}/cmake/Floors.cmake")\nlat__check_link({folder} {used})\n')
            return subprocess.run(["cmake", "-P", str(script)], capture_output=True, text=True, check=False)

    def assert_refused(self, folder, used, words):
        result = self.configure(folder, used)
        self.assertNotEqual(result.returncode, 0, f"{folder} may link {used}")
        self.assertIn(words, " ".join(result.stderr.split()))

    def test_a_lower_floor_may_be_linked(self):
        result = self.configure("core/store", "lat_model")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_an_upper_floor_may_not(self):
        self.assert_refused("core/base", "lat_store", "lower floors only")

    def test_a_sibling_may_not(self):
        self.assert_refused("core/api", "lat_orch", "lower floors only")

    def test_what_is_past_the_limit_may_not(self):
        self.assert_refused("agent/link", "lat_store", "not among what agent may use")

    def test_another_owners_dependency_may_not(self):
        self.assert_refused("core/store", "lat::uv", "belongs to core/io")

    def test_an_unknown_module_may_not(self):
        self.assert_refused("core/store", "lat_util", "no row")


class Sizes(unittest.TestCase):
    def function(self, lines):
        return "static int long_one(int a,\n                    int b)\n{\n" + "    a++;\n" * (lines - 4) + "}\n"

    def test_limits_are_allowed_and_one_past_them_is_found(self):
        for path, limit in (("core/a.c", check_sizes.SOURCE_LINES_MAX), ("core/a.h", check_sizes.HEADER_LINES_MAX)):
            self.assertEqual(check_sizes.check_text(path, "\n" * limit), [])
            self.assertEqual(len(check_sizes.check_text(path, "\n" * (limit + 1))), 1)

    def test_a_long_function_is_found_with_its_name_and_line(self):
        limit = check_sizes.FUNCTION_LINES_MAX
        self.assertEqual(check_sizes.check_text("core/a.c", "int x;\n\n" + self.function(limit)), [])
        findings = check_sizes.check_text("core/a.c", "int x;\n\n" + self.function(limit + 1))
        self.assertEqual(len(findings), 1)
        self.assertIn(f"core/a.c:3: long_one has {limit + 1} lines", findings[0])

    def test_a_waiver_needs_a_reason_and_a_need(self):
        long = self.function(check_sizes.FUNCTION_LINES_MAX + 1)
        self.assertEqual(check_sizes.check_text("core/a.c", "/* lint-ok(length): a table */\n" + long), [])
        self.assertEqual(len(check_sizes.check_text("core/a.c", "/* lint-ok(length): */\n" + long)), 1)
        self.assertEqual(len(check_sizes.check_text("core/a.c", "/* lint-ok(length): a table */\n")), 1)


class Manual(unittest.TestCase):
    def test_a_route_that_one_side_lacks(self):
        code = '    X(GET, "/healthz", ANYBODY, healthz)   \\\n    X(POST, "/api/v1/users", ADMINS,  \\\n      users_create)\n'
        manual = "| `GET /healthz` | anybody | it answers |\n| `POST /api/v1/users` | users | a person |\n"
        self.assertEqual(
            check_manual.routes_of_the_code(code) ^ check_manual.routes_of_the_manual(manual),
            {("POST", "/api/v1/users", "admins"), ("POST", "/api/v1/users", "users")},
        )

    def test_every_row_of_the_errors(self):
        table = '    X(IO, 17, "io", 500, 1, "Reading failed.",   \\\n      "See the reason.")   \\\n    X(NO, 5, "no", 404, 5, "No.", "Check.")\n'
        page = check_manual.errors_page(table)
        self.assertIn("| `io` | 500 | 1 | Reading failed. | See the reason. |\n| `no` | 404 | 5 | No. | Check. |\n", page)

    def test_a_folder_on_another_floor(self):
        table = "# the house\nfloor 1 core/base\nfloor 2 core/io\nfloor 3 core/link\nlimit agent: core/base\n"
        manual = "| 8 | nothing |\n| 2 | `core/io`, `core/link` |\n| 1 | `core/base` |\n"
        differ = check_manual.floors_of_the_table(table) ^ check_manual.floors_of_the_manual(manual)
        self.assertEqual(differ, {("2", "core/link"), ("3", "core/link")})

    def test_metrics_and_settings_however_they_are_broken_into_lines(self):
        source = 'a = lat_metrics_counter(metrics, "lattice_a_total", "", "A.");\nb =\n    lat_metrics_gauge(host->metrics,\n "lattice_b", x, "B.");'
        self.assertEqual(check_manual.metrics_of(source), {"lattice_a_total", "lattice_b"})
        settings = '    X(TEXT, data_dir, "/x", false,  \\\n      "folder")  \\\n    X(INT, io_threads, "2", true, "n")\n#define LAT_CLI_SETTINGS(X) X(TEXT, addr, "", false, "")'
        self.assertEqual(check_manual.settings_of(settings), {("data_dir", "/x"), ("io_threads", "2")})


class Paths(unittest.TestCase):
    def test_a_home_and_the_checkout_are_found(self):
        text = "a = '/home/ann/x'\nb = '/tmp/x'\nc = '/srv/lattice/build'\n"
        findings = check_paths.check_text("a.py", text, "/srv/lattice")
        self.assertEqual([finding.split(":")[1] for finding in findings], ["1", "3"])

    def test_a_part_of_a_longer_path_and_a_waiver_are_not(self):
        text = "a = 'var/home/ann'\nb = '${HOME}/root/x'\nc = '/root/.ssh'  # lint-ok(path): inside a container\n"
        self.assertEqual(check_paths.check_text("a.py", text, "/srv/lattice"), [])


class Time(unittest.TestCase):
    def test_calls_are_found_in_c_and_in_lua(self):
        source = "void f(void)\n{\n    clock_gettime(CLOCK_REALTIME, &t);\n    x = time(NULL);\n    uv_timer_start(&t, fn, 1, 0);\n}\n"
        self.assertEqual([finding.split(":")[1] for finding in check_time.check_text("core/api/a.c", source)], ["3", "4", "5"])
        self.assertEqual(check_time.check_text(check_time.HOME, source), [])
        self.assertEqual(len(check_time.check_text("lua/cli/a.lua", "local now = os.time()\n")), 1)

    def test_names_that_contain_one_comments_and_texts_are_not(self):
        source = '/* time(NULL)\n clock() */\nlat_time(x); read_time(y); a.time(z); f("time(1)");\nint64_t at_time; // sleep(1)\n'
        self.assertEqual(check_time.check_text("core/api/a.c", source), [])
        self.assertEqual(check_time.check_text("lua/cli/a.lua", "local at = context.system.time(x)\n"), [])
        self.assertEqual(check_time.check_text("lua/cli/a.lua", 'local day = os.date("!%Y-%m-%d", at)\n'), [])
        for call in ("os.date()", 'os.date("%H")', 'os.date "%H"'):
            self.assertEqual(len(check_time.check_text("lua/cli/a.lua", call + "\n")), 1, call)

    def test_a_waiver_needs_a_reason_and_a_need(self):
        self.assertEqual(check_time.check_text("core/a.c", "sleep(1); /* lint-ok(time): a child that waits */\n"), [])
        self.assertEqual(len(check_time.check_text("core/a.c", "sleep(1); /* lint-ok(time): */\n")), 1)
        self.assertEqual(len(check_time.check_text("core/a.c", "int x; /* lint-ok(time): why */\n")), 1)


if __name__ == "__main__":
    unittest.main()
