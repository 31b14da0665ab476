"""The layering check itself, on lines that must pass and lines that must not."""

import pytest

import layers


@pytest.mark.parametrize("folder, header, line", [
    ("gate", True, '#include "access/rules.h"'),
    ("gate", True, '#include "gate/exchange.h"'),
    ("base", True, "#include <string_view>"),
    ("io", True, "#include <sys/epoll.h>"),
    ("base", False, "#include <fmt/format.h>"),
    ("config", False, "#include <yaml.h>"),
    ("base", False, "int include = 1;"),
])
def test_allowed(folder, header, line):
    assert layers.include_problems(folder, header, False, line) == []


@pytest.mark.parametrize("folder, header, line", [
    ("gate", False, '#include "config/settings.h"'),
    ("http", False, '#include "http1/codec.h"'),
    ("gate", False, '#include "exchange.h"'),
    ("base", True, "#include <fmt/format.h>"),
    ("base", True, "# include <functional>"),
    ("access", False, "#include <openssl/evp.h>"),
    ("routing", False, "#include <yaml.h>"),
])
def test_refused(folder, header, line):
    assert len(layers.include_problems(folder, header, False, line)) == 1


def test_reasons_match_both_ways():
    header = 'X(none, 0, "x")\nX(no_route, 404, "a")\nX(draining, 503, "b")\n'
    assert layers.reason_problems(header, "# Reasons\n## no_route\n## `draining`\n") == []
    assert layers.reason_problems(header, "## no_route\n") == ["no paragraph for draining"]
    assert layers.reason_problems(header, "## no_route\n## draining\n## gone\n") != []


def test_reasons_are_named_by_a_test():
    header = 'X(none, 0, "x")\nX(no_route, 404, "a")\nX(draining, 503, "b")\n'
    tests = ['EXPECT_EQ(reason, "no_route");', "Reason::draining"]
    assert layers.untested_reasons(header, tests) == []
    assert layers.untested_reasons(header, tests[:1]) == ["draining"]
    # A part of another word is not a test.
    assert layers.untested_reasons(header, ["no_route2 draining_soon"]) == ["no_route", "draining"]


def test_file_needs_opening_comment_and_bounded_length(tmp_path):
    path = tmp_path / "x.h"
    assert layers.file_problems(path, "base", "#pragma once\n") != []
    assert layers.file_problems(path, "base", "// What.\n#pragma once\n") == []
    assert layers.file_problems(path, "base", "// What.\n" + "\n" * 900) != []
    # x.cc is explained by the x.h beside it.
    path.write_text("// What.\n")
    assert layers.file_problems(tmp_path / "x.cc", "base", '#include "base/x.h"\n') == []
    assert layers.file_problems(tmp_path / "y.cc", "base", '#include "base/x.h"\n') != []
