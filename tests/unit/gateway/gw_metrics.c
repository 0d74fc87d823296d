#include "tools/gateway/metrics.h"

#include "tests/unit/base/suite.h"

START_TEST(requests_are_counted_by_operation_and_status)
{
    struct gw_metrics *metrics = gw_metrics_new();
    struct text out;
    text_init(&out);
    gw_metrics_note(metrics, GW_OPERATION_PUT_OBJECT, 200, 700, 10, 0);
    gw_metrics_note(metrics, GW_OPERATION_PUT_OBJECT, 412, 1000000, 10, 0);
    gw_metrics_note(metrics, GW_OPERATION_GET_OBJECT, 0, 99000000, 0, 7);
    gw_metrics_print(metrics, 3, &out);
    static const char *const lines[] = {
        "catena_gateway_requests_total{operation=\"PutObject\",status=\"2xx\"} 1\n",
        "catena_gateway_requests_total{operation=\"PutObject\",status=\"4xx\"} 1\n",
        "catena_gateway_requests_total{operation=\"GetObject\",status=\"none\"} 1\n",
        "catena_gateway_request_seconds_bucket{operation=\"PutObject\",le=\"0.0005\"} 0\n",
        "catena_gateway_request_seconds_bucket{operation=\"PutObject\",le=\"0.001\"} 1\n",
        "catena_gateway_request_seconds_bucket{operation=\"PutObject\",le=\"1\"} 2\n",
        "catena_gateway_request_seconds_bucket{operation=\"GetObject\",le=\"30\"} 0\n",
        "catena_gateway_request_seconds_bucket{operation=\"GetObject\",le=\"+Inf\"} 1\n",
        "catena_gateway_received_bytes_total 20\n",
        "catena_gateway_sent_bytes_total 7\n",
        "catena_gateway_requests_in_flight 3\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(strstr(text_cstr(&out), lines[i]) != NULL, "%s", lines[i]);
    ck_assert_ptr_null(strstr(text_cstr(&out), "DeleteObject\""));
    text_release(&out);
    gw_metrics_free(metrics);
}
END_TEST

SUITE_MAIN("gw_metrics", requests_are_counted_by_operation_and_status)
