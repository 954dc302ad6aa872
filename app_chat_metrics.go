package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mydb-project/mydb/core"
)

var (
	chatConnectedDesc = prometheus.NewDesc("mydb_chat_connected", "Whether events of a chat service reach this process, or could at the address that the service was told.", []string{"platform"}, nil)
	chatAnsweredDesc  = prometheus.NewDesc("mydb_chat_acknowledged_age_seconds",
		"Since an event, or a probe each minute, went the whole way to its acknowledgement in this process; absent before the first.", []string{"platform"}, nil)
)

// chatMetrics shows how the chat services of this process are doing.
type chatMetrics map[core.Platform]chatService

// Describe implements prometheus.Collector.
func (chatMetrics) Describe(c chan<- *prometheus.Desc) {
	c <- chatConnectedDesc
	c <- chatAnsweredDesc
}

// Collect implements prometheus.Collector.
func (m chatMetrics) Collect(c chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, v float64, p core.Platform) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, string(p))
	}
	for platform, s := range m {
		connected := 0.0
		if s.Connected() {
			connected = 1
		}
		show(chatConnectedDesc, connected, platform)
		probed, is := s.(interface{ Responsive() time.Time })
		if !is {
			continue
		}
		if at := probed.Responsive(); !at.IsZero() {
			show(chatAnsweredDesc, time.Since(at).Seconds(), platform)
		}
	}
}
