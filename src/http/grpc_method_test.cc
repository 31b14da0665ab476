#include "http/grpc_method.h"

#include <gtest/gtest.h>

namespace http {
namespace {

struct Case {
  std::string_view name;
  std::string_view path;  // empty: refused
};

TEST(GrpcPathPattern, OfNames) {
  for (const Case& c :
       {Case{"shop.v1.Orders/Get", "/shop.v1.Orders/Get"}, Case{"Orders/Get_2", "/Orders/Get_2"},
        Case{"_o.O1/g", "/_o.O1/g"}, Case{"shop.Orders", "/shop.Orders/**"},
        Case{"shop.Orders/*", "/shop.Orders/**"}, Case{"", ""}, Case{"/shop.Orders/Get", ""},
        Case{"shop.Orders/", ""}, Case{"shop.Orders/Get/More", ""}, Case{"shop.Orders/**", ""},
        Case{"shop.Orders/{id}", ""}, Case{"shop..Orders/Get", ""}, Case{".Orders/Get", ""},
        Case{"shop./Get", ""}, Case{"shop.*/Get", ""}, Case{"1shop.Orders/Get", ""},
        Case{"shop.Orders/1Get", ""}, Case{"shop.Orders/Get Get", ""}, Case{"shop-x.Orders/Get", ""}}) {
    auto path = grpc_path_pattern(c.name);
    ASSERT_EQ(path.has_value(), !c.path.empty()) << c.name;
    if (path) EXPECT_EQ(*path, c.path);
    if (!path) EXPECT_FALSE(path.error().empty());
  }
}

}  // namespace
}  // namespace http
