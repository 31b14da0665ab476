#include "control/access_text.h"

#include <gtest/gtest.h>

namespace control {
namespace {

std::string text_of(std::string_view lines, LogForm form = LogForm::text) {
  std::string out;
  append_access_text(lines, form, out);
  return out;
}

constexpr std::string_view kAllowed =
    R"({"time":"2026-01-31T09:30:00.123Z","id":"a","generation":12,"client":"203.0.113.9","method":"GET",)"
    R"("host":"api.example.com","path":"/orders/7","service":"orders","route":"/orders",)"
    R"("identity":{"provider":"partners","subject":"alice"},"rule":"services/orders.yaml:4:5",)"
    R"("rule_name":"partners read","verdict":"allow","phase":"done","status":200,"bytes_received":345,)"
    R"("bytes_sent":6789,"duration_ms":13.25,"phases_ms":{"receive":0.02},"attempts":[]})"
    "\n";
constexpr std::string_view kRefused =
    R"({"time":"2026-01-31T09:30:01.000Z","method":"GET","path":"/","reason":"no_route",)"
    R"("status":404,"duration_ms":0.05})"
    "\n";

TEST(AccessText, EachRecordIsOneShortLine) {
  EXPECT_EQ(
      text_of(std::string(kAllowed).append(kRefused)),
      "09:30:00.123  200  GET api.example.com/orders/7  orders  partners/alice  \"partners read\"  13.25 ms\n"
      "09:30:01.000  404  GET /  no_route  0.05 ms\n");
  EXPECT_EQ(text_of(R"({"method":"POST","path":"/s/M","status":200,"grpc_status":"NOT_FOUND"})"),
            "  200  POST /s/M  NOT_FOUND\n");
  // A client that was cut off has seen no status.
  EXPECT_EQ(text_of(R"({"time":"2026-01-31T09:30:01.000Z","reason":"client_disconnected"})"),
            "09:30:01.000  ---    client_disconnected\n");
}

TEST(AccessText, TheStatusHasTheColourOfItsClass) {
  const struct {
    std::string_view status;
    std::string_view begin;
  } cases[] = {{R"("status":204)", "\x1b[32m204"},
               {R"("status":302)", "\x1b[36m302"},
               {R"("status":403)", "\x1b[33m403"},
               {R"("status":502)", "\x1b[31m502"},
               {R"("method":"GET")", "\x1b[31m---"}};
  for (const auto& c : cases) {
    std::string line = "{" + std::string(c.status) + "}\n";
    EXPECT_NE(text_of(line, LogForm::coloured_text).find(std::string(c.begin) + "\x1b[0m"),
              std::string::npos);
    EXPECT_EQ(text_of(line).find('\x1b'), std::string::npos);
  }
}

TEST(AccessText, TheTerminalIsGivenNothingToObey) {
  std::string out = text_of(
      R"({"method":"GET","host":"h\u001b[2J","path":"/\u009b1m\u007f\n","identity":{"provider":"p","subject":"Jürgen\r"}})"
      "\n");
  EXPECT_EQ(out, "  ---  GET h?[2J/?1m??  p/Jürgen?\n");
  EXPECT_EQ(text_of("no record \x1b[2J\n"), "no record ?[2J\n");
}

}  // namespace
}  // namespace control
