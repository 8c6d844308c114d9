package planner_test

import "testing"

func TestSmoke(t *testing.T) {
	l := newLab(t, "m", "a").write(`
node "m" {
  address = "10.0.0.1"
  role = "manager"
}
node "a" { address = "10.0.0.2" }
secret "s" {}
config "c" {
  count = 3
  text = "hello ${count.index}"
}
pod "web" {
  replicas = 2
  config = config.c[1]
  container "x" {
    image = "img"
    env = { A = secret.s.value }
  }
}
output "nodes" { value = pod.web.nodes }
`)
	p := l.plan()
	t.Log("\n" + p.String())
	l.settled()
	t.Log("\n" + l.world.dump())
	l.destroy = true
	t.Log("\n" + l.plan().String())
	l.apply()
	t.Log("\n" + l.world.dump())
}
