config "page" {
  files = {
    "index.html" = templatefile("${path.module}/index.html.tmpl", { name = var.name })
  }
}

pod "web" {
  replicas = var.replicas
  container "httpd" {
    image = var.image
    port "http" {
      container = 80
      host      = var.port
    }
    mount "/site" {
      config = config.page
    }
  }
}
