// What is told about certificates that are about to expire, by a clock of the test.
#include "control/expiry.h"

#include <gtest/gtest.h>

namespace {

using control::CompiledListener;
using control::CompiledListenerPtr;

constexpr int64_t kDay = 24 * 3600;
constexpr int64_t kNow = 1'800'000'000;

base::WallTime at(int64_t seconds) { return {seconds * 1'000'000'000}; }

CompiledListenerPtr listener(std::string name, std::vector<control::ListenerCertificate> certificates) {
  auto made = std::make_shared<CompiledListener>();
  made->name = std::move(name);
  made->certificates = std::move(certificates);
  return made;
}

TEST(Expiry, WarnsFromThreeWeeksAhead) {
  struct Case {
    int64_t seconds_left;
    const char* says;  // empty: nothing
  };
  const Case cases[] = {
      {21 * kDay, ""},
      {21 * kDay - 1, "expires in 20 days"},
      {kDay, "expires in 1 day"},
      {60, "expires in 0 days"},
      {0, "expired 0 days ago"},
      {-3 * kDay, "expired 3 days ago"},
  };
  for (const Case& c : cases) {
    std::vector<CompiledListenerPtr> all = {
        listener(":8443", {{.file = "api.pem", .name = "a.example", .not_after = at(kNow + c.seconds_left)}}),
        nullptr};
    std::vector<std::string> warnings = control::expiry_warnings(all, at(kNow));
    if (*c.says == '\0') {
      EXPECT_TRUE(warnings.empty()) << c.seconds_left;
      continue;
    }
    ASSERT_EQ(warnings.size(), 1u) << c.seconds_left;
    EXPECT_EQ(warnings[0], std::string("listener :8443: the certificate api.pem for a.example ") + c.says);
  }
}

TEST(Expiry, TheMetricHasOneSeriesAListenerAndName) {
  std::vector<CompiledListenerPtr> all = {
      listener(":443", {{.file = "a", .name = "a.example", .not_after = at(300)},
                        {.file = "b", .name = "a.example", .not_after = at(200)},
                        {.file = "c", .name = "c.example", .not_after = at(100)}}),
      listener(":80", {}), listener(":444", {{.file = "a", .name = "a.example", .not_after = at(300)}})};
  std::string text = control::format_expiry_metrics(all);
  for (const char* line :
       {"{listener=\":443\",name=\"a.example\"} 200\n", "{listener=\":443\",name=\"c.example\"} 100\n",
        "{listener=\":444\",name=\"a.example\"} 300\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_EQ(text.find("300", text.find("300") + 1), std::string::npos) << text;
  EXPECT_EQ(control::format_expiry_metrics(std::span(all).subspan(1, 1)), "");
}

TEST(Expiry, TheStatusNamesFileAndTime) {
  std::vector<CompiledListenerPtr> all = {
      listener(":443", {{.file = "a.pem", .name = "a.example", .not_after = at(kNow)}})};
  std::string json = control::format_certificates(all);
  EXPECT_TRUE(
      json.starts_with(R"([{"listener":":443","name":"a.example","file":"a.pem","expires":"2027-01-15T)"))
      << json;
}

}  // namespace
