#include "access/step_up.h"

#include "gtest/gtest.h"

namespace auth {
namespace {

TEST(StepUp, ATextSaysAllOfIt) {
  const StepUp cases[] = {
      {},
      {.acr_values = "urn:mfa", .amr = {}, .max_age = {}},
      {.acr_values = "urn:mfa urn:hw;x=y", .amr = "mfa otp", .max_age = base::seconds(900)},
      {.acr_values = {}, .amr = "mfa", .max_age = {}},
      {.acr_values = {}, .amr = {}, .max_age = base::seconds(0)},
  };
  for (const StepUp& a : cases) {
    StepUp back = StepUp::from_text(a.text());
    EXPECT_EQ(back.acr_values, a.acr_values);
    EXPECT_EQ(back.amr, a.amr);
    EXPECT_EQ(back.max_age, a.max_age);
    EXPECT_EQ(a.text().empty(), a.is_empty());
    for (const StepUp& b : cases) EXPECT_EQ(a.text() == b.text(), &a == &b);
  }
}

TEST(StepUp, WhatIsNoneOfOursSaysNothing) {
  for (const char* text : {"", "x", "\n", "900", "900\nmfa", "x\n\n", "99999999999\n\n", "-1\n\n"}) {
    EXPECT_TRUE(StepUp::from_text(text).is_empty()) << text;
  }
}

}  // namespace
}  // namespace auth
